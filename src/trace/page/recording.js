"use strict";
// The recording, as the page received it.
//
// Events lie in the document as blocks of rows, one row an event:
//
//     [kind, nanoseconds since the row before, turns since the row before, thread, field, field, ...]
//
// The header says which kinds there are and how their fields are called. A field whose name begins with `$` is text,
// and its number points into the table of strings; one with `*` is a list, and takes all that is left of the row.
// Absent fields are null, or simply missing at the row's end.
//
// Here the rows become columns of plain numbers: two hundred thousand small arrays would keep the browser's garbage
// collector busy for longer than all the rest takes.
//
// Sentences lie in blocks of their own, which are read only when somebody looks at them. A row is
// [template, number, number, ...]: the template is a string with holes, into which the numbers go.

/** Marks a hole in a sentence's template. */
const HOLE = "\u0001";

class Recording {
  /** Reads the blocks out of the document. */
  constructor(document) {
    const read = (element) => JSON.parse(element.textContent);
    /** What the page knows of the run as a whole: `run`, `kinds`, `events`, `left_out`, `notes`, `block`. */
    this.header = read(document.getElementById("recording-header"));
    this.strings = read(document.getElementById("recording-strings"));

    /** For each kind: its name, the names of its fields, which of them are text, and the list at its end, if any. */
    this.kinds = this.header.kinds.map(([name, ...columns]) => ({
      name,
      fields: columns.filter((column) => column[0] !== "*").map((column) => column.replace("$", "")),
      isText: columns.map((column) => column[0] === "$"),
      list: columns.find((column) => column[0] === "*")?.slice(1),
    }));

    const { events: length, cells } = this.header;
    /** How many events there are. */
    this.length = length;
    this.kindOf = new Uint8Array(length);
    this.threadOf = new Uint16Array(length);
    this.turnOf = new Uint32Array(length);
    this.timeOf = new Float64Array(length);
    /** The fields of all events, one after the other; and where those of each event begin. NaN is an absent field. */
    this.cells = new Float64Array(cells);
    this.cellsFrom = new Uint32Array(length + 1);
    this.readRows(document.querySelectorAll("script.recording-events"), read);

    this.sentenceBlocks = [...document.querySelectorAll("script.recording-sentences")];
    this.sentences = new Map(); // number of a block -> its rows
    this.templates = new Map(); // number of a string -> its parts between the holes
  }

  readRows(blocks, read) {
    let seq = 0, time = 0, turn = 0, cell = 0;
    /** When the last thing happened that the recording knows of, in nanoseconds. */
    this.end = 0;
    for (const block of blocks) {
      for (const row of read(block)) {
        time += row[1];
        turn += row[2];
        this.kindOf[seq] = row[0];
        this.timeOf[seq] = time;
        this.turnOf[seq] = turn;
        this.threadOf[seq] = row[3];
        for (let i = 4; i < row.length; i += 1) this.cells[cell++] = row[i] === null ? NaN : row[i];
        seq += 1;
        this.cellsFrom[seq] = cell;
        if (time > this.end) this.end = time;
      }
    }
  }

  /** The name of an event's kind. */
  kind(seq) {
    return this.kinds[this.kindOf[seq]].name;
  }

  /** An event with its fields by name. */
  event(seq) {
    const { name, fields, isText, list } = this.kinds[this.kindOf[seq]];
    const event = { seq, t: this.timeOf[seq], turn: this.turnOf[seq], thread: this.threadOf[seq], kind: name };
    const from = this.cellsFrom[seq], end = this.cellsFrom[seq + 1];
    for (let i = 0; i < fields.length; i += 1) {
      const value = from + i < end ? this.cells[from + i] : NaN;
      event[fields[i]] = Number.isNaN(value) ? null : isText[i] ? this.strings[value] : value;
    }
    if (list !== undefined) event[list] = Array.from(this.cells.subarray(Math.min(end, from + fields.length), end));
    return event;
  }

  /** What happened, in one sentence: the same words as `--explain`. */
  sentence(seq) {
    const [template, ...numbers] = this.sentenceRow(seq);
    let parts = this.templates.get(template);
    if (parts === undefined) {
      parts = this.strings[template].split(HOLE);
      this.templates.set(template, parts);
    }
    let sentence = parts[0];
    for (let i = 1; i < parts.length; i += 1) sentence += numbers[i - 1] + parts[i];
    return sentence;
  }

  sentenceRow(seq) {
    const number = Math.floor(seq / this.header.block);
    let rows = this.sentences.get(number);
    if (rows === undefined) {
      rows = JSON.parse(this.sentenceBlocks[number].textContent);
      this.sentences.set(number, rows);
    }
    return rows[seq % this.header.block];
  }
}
