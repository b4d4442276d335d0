"use strict";
// The recording, as the page received it.
//
// Events lie in the document as blocks of rows, one row an event:
//
//     [kind, nanoseconds since the row before, turns since the row before, thread, field, field, ...]
//
// The header says which kinds there are and how their fields are called. A field whose name begins with `$` is text,
// and its number points into the table of strings. Absent fields are null, or simply missing at the row's end.
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

    /** For each kind: its name, the names of its fields, and which of them are text. */
    this.kinds = this.header.kinds.map(([name, ...columns]) => ({
      name,
      fields: columns.map((column) => column.replace("$", "")),
      isText: columns.map((column) => column[0] === "$"),
    }));

    const length = this.header.events;
    /** How many events there are. */
    this.length = length;
    this.rows = new Array(length);
    this.kindOf = new Uint8Array(length);
    this.threadOf = new Uint16Array(length);
    this.turnOf = new Uint32Array(length);
    this.timeOf = new Float64Array(length);
    this.readRows(document.querySelectorAll("script.recording-events"), read);

    this.sentenceBlocks = [...document.querySelectorAll("script.recording-sentences")];
    this.sentences = new Map(); // number of a block -> its rows
    this.templates = new Map(); // number of a string -> its parts between the holes
  }

  readRows(blocks, read) {
    let seq = 0, time = 0, turn = 0;
    /** When the last thing happened that the recording knows of, in nanoseconds. */
    this.end = 0;
    for (const block of blocks) {
      for (const row of read(block)) {
        time += row[1];
        turn += row[2];
        this.rows[seq] = row;
        this.kindOf[seq] = row[0];
        this.timeOf[seq] = time;
        this.turnOf[seq] = turn;
        this.threadOf[seq] = row[3];
        if (time > this.end) this.end = time;
        seq += 1;
      }
    }
  }

  /** The name of an event's kind. */
  kind(seq) {
    return this.kinds[this.kindOf[seq]].name;
  }

  /** An event with its fields by name. */
  event(seq) {
    const row = this.rows[seq];
    const { name, fields, isText } = this.kinds[row[0]];
    const event = { seq, t: this.timeOf[seq], turn: this.turnOf[seq], thread: row[3], kind: name };
    for (let i = 0; i < fields.length; i += 1) {
      const value = row[i + 4];
      event[fields[i]] = value === undefined || value === null ? null : isText[i] ? this.strings[value] : value;
    }
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
