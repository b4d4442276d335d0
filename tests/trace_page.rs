//! The replay page in a real browser: headless Chromium, from `file://`, without a network.
//!
//!     cargo test --test trace_page -- --ignored
#![cfg(feature = "trace")]

#[path = "trace/programs.rs"]
#[allow(dead_code)] // the rest is used by the tests in tests/trace
mod programs;
#[path = "support/watchdog.rs"]
mod watchdog;
#[path = "support/webdriver.rs"]
mod webdriver;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use glassloop::futures::yield_now;
use glassloop::sync::Semaphore;
use glassloop::trace::{Narrator, Reader, RecordKind, RecordedCause, write_page};
use glassloop::{EventLoop, Job, JoinSet, run_in_executor, sleep};
use serde_json::{Value, json};

use webdriver::Browser;

/// A page in a temporary directory, and a browser that shows it.
struct OpenPage {
    browser: Browser,
    page: PathBuf,
    _directory: tempfile::TempDir,
}

impl OpenPage {
    fn new(recording: &str) -> OpenPage {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let page = directory.path().join("run.html");
        write(recording, &page);
        let browser = Browser::start();
        browser.open(&page, "");
        OpenPage { browser, page, _directory: directory }
    }

    /// Returns the number of the last event.
    fn last(&self) -> u64 {
        self.browser.run("return glassloop.player.recording.length - 1").as_u64().expect("a number")
    }

    fn seq(&self) -> u64 {
        self.browser.run("return glassloop.state().seq").as_u64().expect("a number")
    }

    /// Runs a script and returns the state of the loop after it, as JSON.
    fn state_after(&self, script: &str) -> String {
        let state = self.browser.run(&format!("{script}; return JSON.stringify(glassloop.state())"));
        state.as_str().expect("text").to_owned()
    }

    fn text_of(&self, selector: &str) -> String {
        let text = self.browser.run_with("return document.querySelector(arguments[0]).textContent", json!([selector]));
        text.as_str().expect("text").to_owned()
    }

    fn assert_no_errors(&self) {
        assert_eq!(self.browser.complaints(), Vec::<String>::new());
    }
}

fn write(recording: &str, page: &Path) {
    let mut reader = Reader::open(recording.as_bytes()).expect("a header");
    let mut file = std::io::BufWriter::new(std::fs::File::create(page).expect("a file"));
    write_page(&mut reader, &mut file).expect("a written file");
    file.into_inner().expect("a written file");
}

fn everything() -> String {
    programs::record(programs::everything)
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn the_page_first_shows_the_sentence_of_the_first_event() {
    let recording = everything();
    let shown = OpenPage::new(&recording);
    assert_eq!(shown.seq(), 0);
    let first = &programs::parse(&recording)[0];
    assert_eq!(shown.text_of("#sentence"), Narrator::default().sentence(first));
    assert_eq!(shown.last() + 1, programs::parse(&recording).len() as u64);
    shown.assert_no_errors();
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn all_sentences_are_those_of_the_narration() {
    let recording = everything();
    let shown = OpenPage::new(&recording);
    let mut narrator = Narrator::default();
    let sentences: Vec<String> = programs::parse(&recording).iter().map(|line| narrator.sentence(line)).collect();
    let script = "const { recording } = glassloop.player;
                  return Array.from({ length: recording.length }, (_, seq) => recording.sentence(seq))";
    assert_eq!(shown.browser.run(script), json!(sentences));
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn stepping_backwards_shows_the_same_states_as_stepping_forwards() {
    let shown = OpenPage::new(&everything());
    for unit in ["event", "poll", "turn"] {
        // Starts at a stop, because steps backwards only reach stops.
        shown.browser.run_with("glassloop.seek(0); glassloop.step(1, arguments[0])", json!([unit]));
        // Ends at the last stop, because a further step would go to the last event.
        let walk = |direction: i32| -> Vec<String> {
            let script = "
                const [unit, direction] = arguments, { index, recording } = glassloop.player;
                const stops = { event: recording.length - 1, poll: index.polls.length, turn: index.turns.length }[unit];
                const states = [String(glassloop.state())];
                while (states.length < Math.min(60, stops)) {
                  glassloop.step(direction, unit);
                  states.push(String(glassloop.state()));
                }
                return states";
            let states = shown.browser.run_with(script, json!([unit, direction]));
            serde_json::from_value(states).expect("a list of strings")
        };
        let forwards = walk(1);
        assert!(forwards.len() > 10, "{unit}: the run is long enough");
        let mut backwards = walk(-1);
        backwards.reverse();
        assert_eq!(forwards, backwards, "{unit}");
    }
    shown.assert_no_errors();
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn the_state_after_a_seek_equals_the_state_computed_from_the_start() {
    let shown = OpenPage::new(&everything());
    let script = "
        const { recording, state } = glassloop.player;
        const fresh = new LoopState(state.graphs), different = [];
        for (let seq = 0; seq < recording.length; seq += 1) {
          fresh.apply(recording.event(seq));
          glassloop.seek(Infinity);
          glassloop.seek(seq);
          if (JSON.stringify(fresh) !== String(glassloop.state())) different.push(seq);
        }
        return different";
    assert_eq!(shown.browser.run(script), json!([]));
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn the_counts_of_the_page_equal_the_metrics_of_the_loop() {
    let recording = everything();
    let shown = OpenPage::new(&recording);
    for line in programs::parse(&recording) {
        let (RecordKind::TurnBegin { metrics } | RecordKind::TurnEnd { metrics }) = line.kind else { continue };
        let script = "glassloop.seek(arguments[0]);
                      const state = glassloop.state();
                      return [state.ready.length, state.timers.length, state.sources.length]";
        let computed = shown.browser.run_with(script, json!([line.seq]));
        assert_eq!(computed, json!([metrics.ready, metrics.timers, metrics.sources]), "event {}", line.seq);
    }
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn a_seek_outside_the_run_is_clamped() {
    let shown = OpenPage::new(&everything());
    shown.browser.run("glassloop.seek(1e9)");
    assert_eq!(shown.seq(), shown.last());
    shown.browser.run("glassloop.step(1, 'turn')");
    assert_eq!(shown.seq(), shown.last());
    for nowhere in ["-5", "NaN", "undefined", "-Infinity"] {
        shown.browser.run(&format!("glassloop.seek({nowhere})"));
        assert_eq!(shown.seq(), 0, "{nowhere}");
    }
    shown.assert_no_errors();
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn the_cause_of_a_wake_is_shown() {
    let recording = everything();
    let shown = OpenPage::new(&recording);
    let lines = programs::parse(&recording);
    let mut kinds = std::collections::HashSet::new();
    for line in &lines {
        let RecordKind::Wake { cause, .. } = &line.kind else { continue };
        let before = &lines[..line.seq as usize];
        let made_it = |line: &&glassloop::trace::Record| match (&line.kind, cause) {
            (RecordKind::Readiness { source, .. }, RecordedCause::Source(by)) => source == by,
            (RecordKind::TimerFire { timer, .. }, RecordedCause::Timer(by)) => timer == by,
            (RecordKind::JobEnd { job, .. }, RecordedCause::Job(by)) => job == by,
            _ => false,
        };
        let Some(expected) = before.iter().rev().find(made_it) else { continue };
        kinds.insert(expected.kind.name());
        let cause = shown.browser.run_with("return glassloop.player.index.causeOf[arguments[0]]", json!([line.seq]));
        assert_eq!(cause, json!(expected.seq), "event {}: {:?}", line.seq, line.kind);
        shown.browser.run_with("glassloop.seek(arguments[0])", json!([line.seq]));
        let mut narrator = Narrator::default();
        let sentence = lines[..=expected.seq as usize].iter().map(|line| narrator.sentence(line)).last();
        assert_eq!(Some(shown.text_of("#chain button")), sentence);
    }
    assert_eq!(kinds.len(), 3, "the run has wakes by a source, a timer and a job: {kinds:?}");
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn keys_step_play_and_search() {
    let shown = OpenPage::new(&everything());
    let browser = &shown.browser;
    browser.press(&["ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"]);
    assert_eq!(shown.seq(), 2);
    let turns = browser.run("return glassloop.player.index.turns");
    browser.press(&["Home", "shift+ArrowRight", "shift+ArrowRight"]);
    assert_eq!(json!(shown.seq()), turns[1]);
    browser.press(&["shift+ArrowLeft"]);
    assert_eq!(json!(shown.seq()), turns[0]);
    browser.press(&["End"]);
    assert_eq!(shown.seq(), shown.last());

    browser.press(&["Home", "Space"]);
    browser.wait_for("return glassloop.state().seq > 3");
    browser.press(&["Space"]);
    assert_eq!(browser.run("return document.getElementById('play').textContent"), json!("Play"));

    browser.press(&["/", "t", "i", "m", "e", "r", "_", "f", "i", "r", "e"]);
    browser.wait_for("return !document.getElementById('log-status').hasAttribute('data-searching')");
    browser.press(&["Enter"]);
    assert_eq!(browser.run("return glassloop.player.recording.kind(glassloop.state().seq)"), json!("timer_fire"));
    let first = shown.seq();
    browser.press(&["Enter"]);
    assert!(shown.seq() != first, "there is more than one");
    browser.press(&["shift+Enter"]);
    assert_eq!(shown.seq(), first);
    // When the search field loses the focus, keys control the page again.
    browser.press(&["Escape", "ArrowRight"]);
    assert_eq!(shown.seq(), first + 1);
    shown.assert_no_errors();
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn all_controls_can_be_reached_with_tab_and_show_the_focus() {
    let shown = OpenPage::new(&everything());
    shown.browser.run("glassloop.seek(40); glassloop.select(1)");
    let script = "
        const expected = 'a[href], button, select, input, summary, [tabindex=\"0\"]';
        return [...document.querySelectorAll(expected)].filter((element) =>
          !element.disabled && element.checkVisibility() && (element.tabIndex < 0 || element.closest('[inert]'))).length";
    assert_eq!(shown.browser.run(script), json!(0));
    for _ in 0..12 {
        shown.browser.press(&["Tab"]);
        let outline = "const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
                       return document.activeElement !== document.body && outlineStyle !== 'none' && outlineWidth !== '0px'";
        assert_eq!(
            shown.browser.run(outline),
            json!(true),
            "{}",
            shown.browser.run("return document.activeElement.outerHTML")
        );
    }
    let nameless = "
        const name = (e) => e.ariaLabel || e.textContent.trim() || e.labels?.[0]?.textContent.trim() || e.title;
        return [...document.querySelectorAll('button, select, input, a[href]')].filter((e) => e.checkVisibility() && !name(e)).map((e) => e.outerHTML)";
    assert_eq!(shown.browser.run(nameless), json!([]));
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn the_url_fragment_sets_and_follows_the_position() {
    let shown = OpenPage::new(&everything());
    shown.browser.open(&shown.page, "seq=12&task=1");
    assert_eq!(shown.seq(), 12);
    assert_eq!(shown.browser.run("return glassloop.player.selected"), json!(1));
    shown.browser.run("glassloop.select(null); glassloop.seek(30)");
    shown.browser.wait_for("return location.hash === '#seq=30'");
    shown.browser.run("location.hash = '#seq=7&task=1'");
    shown.browser.wait_for("return glassloop.state().seq === 7 && glassloop.player.selected === 1");
    for nonsense in ["seq=-3&task=99999", "seq=<script>", "%", "seq=1e400"] {
        shown.browser.open(&shown.page, nonsense);
        assert_eq!(shown.seq(), 0, "{nonsense}");
    }
    shown.assert_no_errors();
}

/// Returns a recording whose texts try to inject markup and scripts, and these texts.
fn hostile() -> (String, Vec<String>) {
    let texts: Vec<String> = [
        "<script>window.pwned = 1</script>",
        "</script><script>window.pwned = 1</script>",
        "--><img src=x onerror='window.pwned = 1'>",
        "<!--<script>",
        "]]></textarea></style></title><svg onload=window.pwned=1>",
        "{{scripts}} \\u003cscript> ${window.pwned = 1}",
        "javascript:window.pwned=1",
        "\u{202e}right to left \u{2028} and a line's end",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut recording = String::from(
        r#"{"format":"glassloop-trace","version":1,"glassloop":"<b>0","argv":["</script><script>window.pwned=1</script>"],"pid":1,"started":"</title>","clock":"real"}"#,
    );
    recording.push('\n');
    let mut seq = 0;
    let mut add = |fields: Value| {
        let mut line = json!({"seq": seq, "t": seq * 10, "thread": 0, "turn": 1});
        line.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        writeln!(recording, "{line}").expect("a written String");
        seq += 1;
    };
    add(json!({"kind": "run_begin", "pool_threads": 1, "seed": 0}));
    for (task, text) in (1..).zip(&texts) {
        add(json!({"kind": "spawn", "task": task, "name": text, "future": text, "location": text}));
        add(json!({"kind": "wake", "wake": task, "task": task, "cause": {"spawn": true}, "effect": "queued"}));
        add(json!({"kind": "poll_begin", "task": task, "number": 0, "delay": 5, "wakes": [task]}));
        add(json!({"kind": "source_add", "source": task, "task": task, "what": text, "descriptor": 3}));
        add(json!({"kind": "io", "source": task, "task": task, "operation": "read", "error": text}));
        add(json!({"kind": "state", "future": task, "of": text, "task": task, "from": text, "to": format!("{text}2")}));
        add(json!({"kind": "job_add", "job": task, "task": task, "label": text, "bytes": 3}));
        add(json!({"kind": "poll_end", "task": task, "waiting_for": text, "wakers": 1}));
        add(json!({"kind": "diagnosis", "what": text, "task": task, "state": text, "evidence": text, "advice": text}));
        add(json!({"kind": "mark", "text": text}));
    }
    (recording, texts)
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn markup_in_a_recording_is_shown_as_text() {
    let (recording, texts) = hostile();
    let shown = OpenPage::new(&recording);
    let elements = "return document.querySelectorAll('img, iframe, object, embed, base, form, [onerror], [onload], svg[onload], script:not([type])').length";
    let scripts = shown.browser.run(elements);
    for seq in 0..=shown.last() {
        shown.browser.run_with(
            "glassloop.seek(arguments[0]); glassloop.select(1 + Math.floor((arguments[0] - 1) / 10))",
            json!([seq]),
        );
        assert_eq!(shown.browser.run(elements), scripts, "event {seq}");
    }
    shown.browser.run("document.getElementById('timeline-table').open = true");
    shown.browser.wait_for("return document.getElementById('timeline-rows').childElementCount > 0");
    for (index, text) in texts.iter().enumerate() {
        shown
            .browser
            .run_with("glassloop.seek(1 + 10 * arguments[0]); glassloop.select(1 + arguments[0])", json!([index]));
        assert_eq!(shown.text_of("#task-title"), *text);
        assert_eq!(shown.browser.run_with("return glassloop.state().tasks.at(-1).name", json!([])), json!(text));
    }
    assert_eq!(shown.browser.run("return window.pwned === undefined"), json!(true));
    shown.assert_no_errors();
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn show_me_goes_to_the_finding_and_selects_its_task() {
    let (recording, _) = hostile();
    let shown = OpenPage::new(&recording);
    shown.browser.run("document.querySelectorAll('button.show')[2].click()");
    assert_eq!(shown.browser.run("return glassloop.player.recording.kind(glassloop.state().seq)"), json!("diagnosis"));
    assert_eq!(shown.browser.run("return glassloop.player.selected"), json!(3));
    assert_eq!(shown.browser.run("return document.querySelectorAll('article[aria-current]').length"), json!(1));
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn prefers_reduced_motion_disables_animations() {
    let shown = OpenPage::new(&everything());
    shown.browser.run("glassloop.seek(20)");
    let moves = "return getComputedStyle(document.querySelector('.chip')).transitionDuration";
    assert_ne!(shown.browser.run(moves), json!("0s"));
    shown.browser.prefer("prefers-reduced-motion", "reduce");
    assert_eq!(shown.browser.run(moves), json!("0s"));
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn the_page_does_not_overflow_the_window() {
    let shown = OpenPage::new(&everything());
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (800, "light"), (800, "dark")] {
        shown.browser.resize(width, 900);
        shown.browser.prefer("prefers-color-scheme", scheme);
        shown.browser.run("glassloop.seek(glassloop.player.recording.length / 2); glassloop.select(1)");
        let wide = shown.browser.run("return document.documentElement.scrollWidth");
        assert_eq!(wide, json!(width), "{scheme}");
    }
    shown.assert_no_errors();
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn a_recording_without_events_gives_an_empty_page_with_a_note() {
    let recording = everything();
    let (header, _) = recording.split_once('\n').expect("a header");
    let shown = OpenPage::new(&format!("{header}\n"));
    assert!(shown.text_of("#notes").contains("no events"));
    shown.browser.press(&["ArrowRight", "Space", "+"]);
    shown.browser.run("glassloop.seek(3); glassloop.step(-1, 'turn'); glassloop.select(2); glassloop.state()");
    shown.assert_no_errors();
}

/// A run with more than 200,000 events: two thousand tasks, of which a hundred run concurrently.
fn long(event_loop: &mut EventLoop) {
    event_loop
        .block_on(async {
            let permits = Semaphore::new(100);
            let mut tasks = JoinSet::new();
            for number in 0..2000 {
                let permits = permits.clone();
                tasks.spawn_named(&format!("task {number}"), async move {
                    for round in 0..9 {
                        let permit = permits.acquire().await;
                        sleep(Duration::from_millis(1)).await;
                        drop(permit);
                        // The number of turns for the sleeps depends on the machine; this one does not.
                        yield_now().await;
                        if round % 5 == 0 {
                            let _done = run_in_executor(None, Job::new(|| ()).label("nothing")).await;
                        }
                    }
                });
            }
            while tasks.join_next().await.is_some() {}
        })
        .expect("no deadlock");
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn a_page_of_two_hundred_thousand_events_is_fast() {
    let recording = programs::record(long);
    let shown = OpenPage::new(&recording);
    let events = shown.last() + 1;
    assert!(events >= 200_000, "{events}");
    let mut ready: Vec<f64> = vec![];
    for _ in 0..5 {
        shown.browser.open(&shown.page, "");
        let after = shown.browser.run("return Number(document.documentElement.dataset.readyAfter)");
        ready.push(after.as_f64().expect("a number"));
    }
    // Seeks to distant and close events, including the layout after each.
    let script = "
        const { length } = glassloop.player.recording, times = [];
        for (let i = 0; i < 200; i += 1) {
          const seq = i % 2 === 0 ? Math.floor(length * ((i * 0.6180339887) % 1)) : glassloop.state().seq + 1;
          const start = performance.now();
          glassloop.seek(seq);
          document.body.offsetHeight;
          times.push(performance.now() - start);
        }
        return times";
    let mut seeks: Vec<f64> = serde_json::from_value(shown.browser.run(script)).expect("a list of numbers");
    ready.sort_by(f64::total_cmp);
    seeks.sort_by(f64::total_cmp);
    println!(
        "{events} events: ready after {:.0} ms (median of 5; {:.0} to {:.0}); a seek {:.1} ms (median of 200), 99 % under {:.1} ms, longest {:.1} ms",
        ready[2], ready[0], ready[4], seeks[100], seeks[197], seeks[199],
    );
    // No list has an element for every event. A task has about ten elements as long as it has not ended.
    let elements = shown.browser.run("return document.querySelectorAll('*').length").as_u64();
    assert!(elements.is_some_and(|elements| elements < events / 5), "{elements:?}");
    for seq in [1, events / 3, events / 2, events - 1] {
        let from_start = shown.state_after(&format!("glassloop.seek(0); glassloop.seek({seq})"));
        let from_end = shown.state_after(&format!("glassloop.seek(Infinity); glassloop.seek({seq})"));
        assert_eq!(from_start, from_end, "event {seq}");
    }
    shown.assert_no_errors();
}
