//! Tests of the resolver, with lookups that succeed, fail and hang.

use std::future::poll_fn;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::event_loop::{EventLoop, sleep};
use crate::futures::join_all;

#[test]
fn those_who_ask_at_once_share_a_look_up_and_the_answer_is_good_for_a_minute() {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let resolver = Resolver::calling(|_, _| {
        ASKED.fetch_add(1, Ordering::SeqCst);
        Ok(vec![IpAddr::from([192, 0, 2, 1])])
    });
    let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
    let run = async {
        let answers = join_all((0..5).map(|_| resolver.resolve("Flags.Example", 80))).await;
        assert!(answers.iter().all(|answer| answer.as_deref() == Ok(&["192.0.2.1:80".parse().unwrap()])));
        resolver.resolve("flags.example", 443).await.unwrap();
        assert_eq!(ASKED.load(Ordering::SeqCst), 1);
        sleep(GOOD_FOR).await;
        resolver.resolve("flags.example", 80).await.unwrap();
        assert_eq!(ASKED.load(Ordering::SeqCst), 2);
    };
    event_loop.block_on(run).unwrap();
}

#[test]
fn the_system_is_asked_for_one_family_or_for_both() {
    let loopback = |address: &IpAddr| address.is_loopback();
    assert!(ask_the_system("localhost", None).unwrap().iter().all(loopback));
    let only_v4 = ask_the_system("localhost", Some(AddressFamily::V4)).unwrap();
    assert!(!only_v4.is_empty() && only_v4.iter().all(|address| address.is_ipv4() && address.is_loopback()));
    let error = ask_the_system("no such name", Some(AddressFamily::V4)).unwrap_err();
    assert_eq!(error.name, "no such name");
    assert!(error.reason.ends_with("(only IPv4 addresses are wanted)"), "{error}");
}

#[test]
fn localhost_and_the_names_below_it_are_the_loopback_addresses_and_no_one_is_asked() {
    let no_one = |name: &str, _| -> Answer { panic!("{name} was looked up") };
    let resolve = |resolver: Resolver, host: &'static str| {
        let mut event_loop = EventLoop::new().unwrap();
        event_loop.block_on(async move { resolver.resolve(host, 80).await }).unwrap()
    };
    let both: Vec<SocketAddr> = vec!["[::1]:80".parse().unwrap(), "127.0.0.1:80".parse().unwrap()];
    for host in ["localhost", "LocalHost.", "a.localhost", "A.b.LOCALHOST", "a.localhost."] {
        assert_eq!(resolve(Resolver::calling(no_one), host), Ok(both.clone()), "{host}");
    }
    for (family, address) in [(AddressFamily::V6, both[0]), (AddressFamily::V4, both[1])] {
        let resolver = ResolverBuilder { look_up: no_one, ..Resolver::builder().address_family(family) }.build();
        assert_eq!(resolve(resolver, "a.localhost"), Ok(vec![address]));
    }
    // A static override takes precedence.
    let fixed = Resolver::builder().add_override("a.localhost", 80, vec!["192.0.2.7".parse().unwrap()]).build();
    assert_eq!(resolve(fixed, "a.localhost"), Ok(vec!["192.0.2.7:80".parse().unwrap()]));

    let elsewhere: LookUpFunction = |_, _| Ok(vec![IpAddr::from([192, 0, 2, 1])]);
    for host in ["localhost.example", "notlocalhost", "localhost..", "localhost.localdomain", "a-localhost"] {
        assert_eq!(resolve(Resolver::calling(elsewhere), host), Ok(vec!["192.0.2.1:80".parse().unwrap()]), "{host}");
    }
}

#[test]
fn a_failure_and_a_panic_are_told_and_not_remembered() {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let resolver = Resolver::calling(|name, _| match ASKED.fetch_add(1, Ordering::SeqCst) {
        0 => Err(ResolveError { name: name.to_owned(), reason: "no server".to_owned(), is_temporary: true }),
        1 => panic!("in the look-up"),
        _ => Ok(vec![IpAddr::from([192, 0, 2, 1])]),
    });
    let run = async {
        assert_eq!(resolver.resolve("a.example", 80).await.unwrap_err().reason, "no server");
        assert!(resolver.resolve("a.example", 80).await.unwrap_err().reason.contains("in the look-up"));
        assert_eq!(resolver.resolve("a.example", 80).await.unwrap().len(), 1);
    };
    EventLoop::new().unwrap().block_on(run).unwrap();
}

#[test]
fn a_look_up_that_ended_with_its_loop_is_asked_again_on_the_next() {
    let resolver = Resolver::calling(|_, _| Ok(vec![IpAddr::from([192, 0, 2, 1])]));
    let unanswered = EventLoop::new().unwrap().block_on(async { [resolver.resolve("a.example", 80)] }).unwrap();
    let mut event_loop = EventLoop::new().unwrap();
    assert!(event_loop.block_on(join_all(unanswered)).unwrap()[0].is_err());
    assert!(event_loop.block_on(async { resolver.resolve("a.example", 80).await }).unwrap().is_ok());
}
#[test]
fn the_function_is_told_which_family_is_wanted() {
    let look_up: LookUpFunction = |_, family| {
        assert_eq!(family, Some(AddressFamily::V6));
        Ok(vec![IpAddr::from([0; 16])])
    };
    let resolver = ResolverBuilder { look_up, ..Resolver::builder().address_family(AddressFamily::V6) }.build();
    let answer = EventLoop::new().unwrap().block_on(async { resolver.resolve("a.example", 80).await }).unwrap();
    assert_eq!(answer.as_deref(), Ok(&["[::]:80".parse().unwrap()][..]));
}

#[test]
fn a_fixed_answer_is_for_one_host_and_one_port() {
    let resolver = Resolver::builder().add_override("[::1]", 80, vec![IpAddr::from([192, 0, 2, 7])]);
    let resolver = resolver.add_override("A.example", 81, vec![]).build();
    let run = async {
        for (host, port, expected) in [("[::1]", 80, "192.0.2.7:80"), ("::1", 81, "[::1]:81")] {
            assert_eq!(resolver.resolve(host, port).await.unwrap(), [expected.parse().unwrap()]);
        }
        assert_eq!(resolver.resolve("a.example", 81).await.unwrap(), []);
    };
    EventLoop::new().unwrap().block_on(run).unwrap();
}

#[test]
fn names_that_hang_do_not_keep_others_from_being_looked_up() {
    static GATE: RwLock<()> = RwLock::new(());
    let resolver = Resolver::calling(|name, _| {
        if name.starts_with("hang") {
            drop(GATE.read());
        }
        Ok(vec![IpAddr::from([192, 0, 2, 1])])
    });
    let closed = GATE.write().unwrap();
    let run = async {
        let mut hung: Vec<_> = (0..100).map(|n| resolver.resolve(&format!("hang{n}.example"), 80)).collect();
        // These lookups have no waiters any more, so they need no thread.
        drop((0..1000).map(|n| resolver.resolve(&format!("hang-and-forget{n}.example"), 80)).collect::<Vec<_>>());
        let good = join_all((0..20).map(|n| resolver.resolve(&format!("good{n}.example"), 80))).await;
        assert!(good.iter().all(Result::is_ok), "{good:?}");
        assert!(poll_fn(|cx| Poll::Ready(Pin::new(&mut hung[0]).poll(cx))).await.is_pending());
        drop(closed);
        assert!(join_all(hung).await.iter().all(Result::is_ok));
        assert!(resolver.shared.pool.threads_started() < 150, "{}", resolver.shared.pool.threads_started());
    };
    EventLoop::new().unwrap().block_on(run).unwrap();
}

#[test]
fn as_many_answers_are_remembered_as_there_may_be_and_no_old_ones() {
    let resolver = Resolver::calling(|_, _| Ok(vec![IpAddr::from([192, 0, 2, 1])]));
    let shared = &resolver.shared;
    let counts = || (shared.names.borrow().len(), shared.answered.borrow().len());
    let start = Instant::now();
    for number in 0..3 * MOST_ANSWERS {
        shared.remember(&number.to_string(), vec![], start);
    }
    assert_eq!(counts(), (MOST_ANSWERS, MOST_ANSWERS));
    assert!(shared.names.borrow().contains_key(&(3 * MOST_ANSWERS - 1).to_string()), "the latest");
    shared.remember("a", vec![], start + GOOD_FOR);
    assert_eq!(counts(), (1, 1));
    // A name that was looked up again is not evicted together with its first result.
    shared.remember("a", vec![], start + GOOD_FOR + Duration::from_secs(1));
    shared.remember("b", vec![], start + 2 * GOOD_FOR);
    assert_eq!(counts(), (2, 2));
}
