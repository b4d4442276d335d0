//! Tests of the resolver, with lookups that succeed, fail and hang.

use std::future::poll_fn;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::lookup_task::SLOW_AFTER;
use super::names::CACHE_TTL;
use super::*;
use crate::event_loop::{EventLoop, sleep};
use crate::futures::join_all;

#[test]
fn concurrent_lookups_are_merged_and_the_result_is_cached_for_a_minute() {
    static LOOKUPS: AtomicU32 = AtomicU32::new(0);
    let resolver = Resolver::calling(|_, _| {
        LOOKUPS.fetch_add(1, Ordering::SeqCst);
        Ok(vec![IpAddr::from([192, 0, 2, 1])])
    });
    let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
    let run = async {
        let results = join_all((0..5).map(|_| resolver.resolve("Flags.Example", 80))).await;
        assert!(results.iter().all(|result| result.as_deref() == Ok(&["192.0.2.1:80".parse().unwrap()])));
        resolver.resolve("flags.example", 443).await.unwrap();
        assert_eq!(LOOKUPS.load(Ordering::SeqCst), 1);
        sleep(CACHE_TTL).await;
        resolver.resolve("flags.example", 80).await.unwrap();
        assert_eq!(LOOKUPS.load(Ordering::SeqCst), 2);
    };
    event_loop.block_on(run).unwrap();
}

#[test]
fn getaddrinfo_returns_one_address_family_or_both() {
    let loopback = |address: &IpAddr| address.is_loopback();
    assert!(getaddrinfo_blocking("localhost", None).unwrap().iter().all(loopback));
    let only_v4 = getaddrinfo_blocking("localhost", Some(AddressFamily::V4)).unwrap();
    assert!(!only_v4.is_empty() && only_v4.iter().all(|address| address.is_ipv4() && address.is_loopback()));
    let error = getaddrinfo_blocking("no such name", Some(AddressFamily::V4)).unwrap_err();
    assert_eq!(error.name, "no such name");
    assert!(error.reason.ends_with("(only IPv4 addresses were requested)"), "{error}");
}

#[test]
fn localhost_and_its_subdomains_resolve_to_loopback_without_a_lookup() {
    let no_lookup = |name: &str, _| -> LookupResult { panic!("{name} was looked up") };
    let resolve = |resolver: Resolver, host: &'static str| {
        let mut event_loop = EventLoop::new().unwrap();
        event_loop.block_on(async move { resolver.resolve(host, 80).await }).unwrap()
    };
    let both: Vec<SocketAddr> = vec!["[::1]:80".parse().unwrap(), "127.0.0.1:80".parse().unwrap()];
    for host in ["localhost", "LocalHost.", "a.localhost", "A.b.LOCALHOST", "a.localhost."] {
        assert_eq!(resolve(Resolver::calling(no_lookup), host), Ok(both.clone()), "{host}");
    }
    for (family, address) in [(AddressFamily::V6, both[0]), (AddressFamily::V4, both[1])] {
        let resolver = ResolverBuilder { look_up: no_lookup, ..Resolver::builder().address_family(family) }.build();
        assert_eq!(resolve(resolver, "a.localhost"), Ok(vec![address]));
    }
    // A static override takes precedence.
    let overridden = Resolver::builder().add_override("a.localhost", 80, vec!["192.0.2.7".parse().unwrap()]).build();
    assert_eq!(resolve(overridden, "a.localhost"), Ok(vec!["192.0.2.7:80".parse().unwrap()]));

    let elsewhere: LookUpFunction = |_, _| Ok(vec![IpAddr::from([192, 0, 2, 1])]);
    for host in ["localhost.example", "notlocalhost", "localhost..", "localhost.localdomain", "a-localhost"] {
        assert_eq!(resolve(Resolver::calling(elsewhere), host), Ok(vec!["192.0.2.1:80".parse().unwrap()]), "{host}");
    }
}

#[test]
fn a_failure_and_a_panic_are_reported_and_not_cached() {
    static LOOKUPS: AtomicU32 = AtomicU32::new(0);
    let resolver = Resolver::calling(|name, _| match LOOKUPS.fetch_add(1, Ordering::SeqCst) {
        0 => Err(ResolveError { name: name.to_owned(), reason: "no server".to_owned(), is_temporary: true }),
        1 => panic!("in the lookup"),
        _ => Ok(vec![IpAddr::from([192, 0, 2, 1])]),
    });
    let run = async {
        assert_eq!(resolver.resolve("a.example", 80).await.unwrap_err().reason, "no server");
        assert!(resolver.resolve("a.example", 80).await.unwrap_err().reason.contains("in the lookup"));
        assert_eq!(resolver.resolve("a.example", 80).await.unwrap().len(), 1);
    };
    EventLoop::new().unwrap().block_on(run).unwrap();
}

#[test]
fn a_lookup_that_was_dropped_with_its_loop_is_started_again_on_the_next_loop() {
    let resolver = Resolver::calling(|_, _| Ok(vec![IpAddr::from([192, 0, 2, 1])]));
    let unanswered = EventLoop::new().unwrap().block_on(async { [resolver.resolve("a.example", 80)] }).unwrap();
    let mut event_loop = EventLoop::new().unwrap();
    assert!(event_loop.block_on(join_all(unanswered)).unwrap()[0].is_err());
    assert!(event_loop.block_on(async { resolver.resolve("a.example", 80).await }).unwrap().is_ok());
}

#[test]
fn the_restriction_to_an_address_family_is_passed_to_the_system() {
    let look_up: LookUpFunction = |_, family| {
        assert_eq!(family, Some(AddressFamily::V6));
        Ok(vec![IpAddr::from([0; 16])])
    };
    let resolver = ResolverBuilder { look_up, ..Resolver::builder().address_family(AddressFamily::V6) }.build();
    let result = EventLoop::new().unwrap().block_on(async { resolver.resolve("a.example", 80).await }).unwrap();
    assert_eq!(result.as_deref(), Ok(&["[::]:80".parse().unwrap()][..]));
}

#[test]
fn an_override_applies_to_one_host_and_one_port() {
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
fn lookups_that_hang_do_not_block_other_lookups() {
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
        assert!(resolver.context.threads.threads_started() < 150, "{}", resolver.context.threads.threads_started());
    };
    EventLoop::new().unwrap().block_on(run).unwrap();
}

#[test]
fn a_lookup_that_hangs_exceeds_its_time_limit_and_can_be_tried_again() {
    crate::watchdog::watch();
    static LOOKUPS: AtomicU32 = AtomicU32::new(0);
    static GATE: RwLock<()> = RwLock::new(());
    let look_up: LookUpFunction = |_, _| {
        if LOOKUPS.fetch_add(1, Ordering::SeqCst) == 0 {
            drop(GATE.read());
        }
        Ok(vec![IpAddr::from([192, 0, 2, 1])])
    };
    let closed = GATE.write().unwrap();
    for limit in [Duration::from_millis(20), SLOW_AFTER + Duration::from_millis(20)] {
        LOOKUPS.store(0, Ordering::SeqCst);
        let resolver = ResolverBuilder { look_up, ..Resolver::builder().lookup_timeout(limit) }.build();
        let run = async {
            // Both futures wait for the lookup that hangs, on one thread.
            let results = join_all([resolver.resolve("a.example", 80), resolver.resolve("A.example", 80)]).await;
            let error = ResolveError {
                name: "a.example".to_owned(),
                reason: format!("timed out after {limit:?}"),
                is_temporary: true,
            };
            assert_eq!(results, [Err(error.clone()), Err(error)]);
            assert_eq!(resolver.context.threads.threads_started(), 1);
            assert_eq!(resolver.context.names.len(), 0, "nothing is left of the lookup");
            // On a busy machine, a lookup that does not hang may exceed the limit as well.
            let expected = Ok(vec!["192.0.2.1:80".parse().unwrap()]);
            while resolver.resolve("a.example", 80).await != expected {}
            assert!(LOOKUPS.load(Ordering::SeqCst) >= 2, "another thread looks up the name");
        };
        EventLoop::new().unwrap().block_on(run).unwrap();
    }
    drop(closed);
}
