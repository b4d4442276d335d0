"use strict";
// Panel 7, findings: bugs that the loop has detected in the program, each with its evidence and a button "Show".

class Findings {
  constructor(player, timeline) {
    this.player = player;
    this.timeline = timeline;
    this.list = document.getElementById("findings");
    const { findings } = player.index;
    const badge = document.getElementById("findings-badge");
    setText(badge, findings.length === 0 ? "no findings" : count(findings.length, "finding"));
    setAttribute(badge, "data-some", findings.length > 0 ? "" : null);
    if (findings.length === 0) {
      this.list.append(make("p.quiet", {}, "No findings. Only certain kinds of bugs are detected."));
    }
    this.cards = findings.map((seq) => this.card(seq));
    this.list.append(...this.cards);
  }

  card(seq) {
    const finding = this.player.recording.event(seq);
    const about = finding.task === null ? "the loop" : this.player.nameOf(finding.task);
    const button = make("button.show", { type: "button", click: () => this.show(finding), "aria-label": `Show: ${finding.what}, ${about}` }, "Show");
    const card = make("article.finding", {},
      make("h3", {}, make("code", {}, finding.what), " ", make("span", {}, about)),
      finding.state ? make("p.quiet", {}, "in state ", make("code", {}, finding.state), `, at ${timestamp(finding.t)}`) : make("p.quiet", {}, `at ${timestamp(finding.t)}`),
      make("p", {}, finding.evidence ?? ""),
      make("p.advice", {}, finding.advice ?? ""),
      button);
    card.dataset.seq = seq;
    return card;
  }

  /** Goes to the finding, selects its task, and shows the time just before it in the timeline. */
  show(finding) {
    this.player.selected = finding.task;
    this.player.seek(finding.seq);
    const lane = this.player.index.tasks.get(finding.task);
    const polls = lane === undefined ? [] : lane.polls;
    const poll = lastBefore(polls, finding.seq, true);
    const from = poll < 0 ? finding.t - 1e6 : this.player.recording.timeOf[poll];
    const margin = Math.max(2e4, (finding.t - from) * 0.25);
    this.timeline.show({ from: from - margin, to: finding.t + margin });
    document.getElementById("loop-state").scrollIntoView({ block: "nearest" });
    document.getElementById("sentence").focus({ preventScroll: true });
  }

  update({ seq }) {
    for (const card of this.cards) setAttribute(card, "aria-current", Number(card.dataset.seq) === seq ? "true" : null);
  }
}
