"use strict";
// Panel 2, "now": the current event as a sentence, and the chain of its causes.

/** The maximum length of the chain. */
const MAX_CAUSES = 6;

class Now {
  constructor(player) {
    this.player = player;
    this.sentence = document.getElementById("sentence");
    this.kind = document.getElementById("kind");
    this.chain = document.getElementById("chain");
    this.because = document.getElementById("because");
  }

  update({ seq, recording, index, state }) {
    if (state === null) return;
    setText(this.sentence, recording.sentence(seq));
    const kind = recording.kind(seq);
    setText(this.kind, kind.replaceAll("_", " "));
    setAttribute(this.kind, "data-group", groupOf(kind).name);
    const causes = [];
    for (let cause = index.causeOf[seq]; cause >= 0 && causes.length < MAX_CAUSES; cause = index.causeOf[cause]) {
      causes.push(cause);
    }
    this.because.hidden = causes.length === 0;
    keepChildren(
      this.chain, causes.map((cause, i) => ({ cause, i })), ({ i }) => i,
      () => {
        const button = make("button.link", { type: "button", click: () => this.player.seek(Number(button.dataset.seq)) });
        return make("li", {}, button);
      },
      (item, { cause }) => {
        const button = item.firstChild;
        button.dataset.seq = cause;
        setText(button, recording.sentence(cause));
        setAttribute(button, "title", `event ${cause}, ${duration(state.time - recording.timeOf[cause])} earlier`);
      },
    );
  }
}
