"use strict";
// The recording, parsed from the data elements of the page.
//
// The document contains blocks of rows, with one row per event:
//
//     [kind, nanoseconds since the previous row, turns since the previous row, thread, field, field, ...]
//
// The header lists the kinds and the names of their fields. A field whose name begins with `$` is a string: its number is an
// index into the table of strings. A field with `*` is a list, which takes up the rest of the row. Absent fields are null,
// or missing at the end of the row.
//
// The rows are converted to columns in typed arrays, because garbage collection of two hundred thousand small arrays would
// take longer than everything else.
//
// Sentences are in blocks of their own, which are parsed when they are first shown. A row is [template, number, number, ...]:
// the template is a string with placeholders for the numbers.

/** The placeholder for a number in a template. */
const PLACEHOLDER = "\u0001";

class Recording {
  /** Parses the data elements of the document. */
  constructor(document) {
    const read = (element) => JSON.parse(element.textContent);
    /** The header: `run`, `kinds`, `events`, `left_out`, `notes`, `block`. */
    this.header = read(document.getElementById("recording-header"));
    this.strings = read(document.getElementById("recording-strings"));

    /** For each kind: its name, the names of its fields, which of them are texts, and the list at the end, if there is one. */
    this.kinds = this.header.kinds.map(([name, ...columns]) => ({
      name,
      fields: columns.filter((column) => column[0] !== "*").map((column) => column.replace("$", "")),
      isText: columns.map((column) => column[0] === "$"),
      list: columns.find((column) => column[0] === "*")?.slice(1),
    }));

    const { events: length, cells } = this.header;
    /** The number of events. */
    this.length = length;
    this.kindOf = new Uint8Array(length);
    this.threadOf = new Uint16Array(length);
    this.turnOf = new Uint32Array(length);
    this.timeOf = new Float64Array(length);
    /** The fields of all events, and the index of the first field of each event. NaN is an absent field. */
    this.cells = new Float64Array(cells);
    this.cellsFrom = new Uint32Array(length + 1);
    this.readRows(document.querySelectorAll("script.recording-events"), read);

    this.sentenceBlocks = [...document.querySelectorAll("script.recording-sentences")];
    this.sentences = new Map(); // index of a block -> its rows
    this.templates = new Map(); // index of a string -> its parts between the placeholders
  }

  readRows(blocks, read) {
    let seq = 0, time = 0, turn = 0, cell = 0;
    /** The time of the last event, in nanoseconds. */
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

  /** Returns the name of the kind of an event. */
  kind(seq) {
    return this.kinds[this.kindOf[seq]].name;
  }

  /** Returns an event with its fields by name. */
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

  /** Returns an event as a sentence, with the same wording as `--explain`. */
  sentence(seq) {
    const [template, ...numbers] = this.sentenceRow(seq);
    let parts = this.templates.get(template);
    if (parts === undefined) {
      parts = this.strings[template].split(PLACEHOLDER);
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
