//! The addresses behind a name.
//!
//! `getaddrinfo` blocks, for many seconds if a server does not answer. So look-ups run on threads of their own, of which
//! four stuck ones hold up nothing but other look-ups. Several that ask for one name at once share one look-up, and an
//! answer is good for a minute.

use std::cell::RefCell;
use std::collections::{HashMap, hash_map};
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};

use crate::event_loop::{Job, JobHandle, ThreadPool, now, run_in_executor, spawn_named};
use crate::observe::note_waiting;
use crate::sync::oneshot;

/// How long an answer is good for.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// Threads for look-ups.
const THREADS: usize = 4;

/// What is called to look a name up. It blocks.
type LookUpFunction = fn(&str) -> Result<Vec<IpAddr>, ResolveError>;

/// Looks names up, shares look-ups that are under way, and remembers answers for a minute. A handle: clones share all.
///
/// ```
/// use glassloop::{EventLoop, net::Resolver};
///
/// let mut event_loop = EventLoop::new()?;
/// let addresses = event_loop.block_on(async { Resolver::new().resolve("127.0.0.1", 80).await })??;
/// assert_eq!(addresses, ["127.0.0.1:80".parse()?]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Resolver {
    shared: Rc<Shared>,
}

struct Shared {
    pool: ThreadPool,
    look_up: LookUpFunction,
    names: RefCell<HashMap<String, Entry>>,
}

enum Entry {
    /// Asked, and not answered yet: who waits for the answer.
    Asked(Vec<oneshot::Sender<Answer>>),
    /// The answer, and when it came.
    Answered(Vec<IpAddr>, Instant),
}

type Answer = Result<Vec<IpAddr>, ResolveError>;

impl Resolver {
    /// A resolver that asks the system.
    pub fn new() -> Resolver {
        Resolver::with_function(ask_the_system)
    }

    fn with_function(look_up: LookUpFunction) -> Resolver {
        let shared = Shared { pool: ThreadPool::new("dns", THREADS), look_up, names: RefCell::default() };
        Resolver { shared: Rc::new(shared) }
    }

    /// The addresses of a host, with this port. An address in digits (IPv6 with or without brackets) is its own answer.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    pub fn resolve(&self, host: &str, port: u16) -> Lookup {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let state = match bare.parse::<IpAddr>() {
            Ok(address) => LookupState::Known(Ok(vec![address])),
            Err(_) => self.shared.clone().look_up(bare.to_ascii_lowercase()),
        };
        Lookup { port, state }
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Resolver::new()
    }
}

impl Shared {
    fn look_up(self: Rc<Self>, name: String) -> LookupState {
        let (sender, receiver) = oneshot::oneshot();
        match self.names.borrow_mut().entry(name.clone()) {
            hash_map::Entry::Occupied(mut entry) => match entry.get_mut() {
                Entry::Asked(waiting) => {
                    waiting.push(sender);
                    return LookupState::Asked(receiver);
                }
                Entry::Answered(addresses, at) if now().saturating_duration_since(*at) < GOOD_FOR => {
                    return LookupState::Known(Ok(addresses.clone()));
                }
                stale @ Entry::Answered(..) => *stale = Entry::Asked(vec![sender]),
            },
            hash_map::Entry::Vacant(entry) => {
                entry.insert(Entry::Asked(vec![sender]));
            }
        }
        let (look_up, asked) = (self.look_up, name.clone());
        let job = run_in_executor(Some(&self.pool), Job::new(move || look_up(&asked)).label("dns").abandonable());
        // A task of its own, so that no one of those who wait carries the others.
        spawn_named("dns", Ask { shared: self, name, job });
        LookupState::Asked(receiver)
    }

    fn answer(&self, name: &str, answer: Answer) {
        let entry = match &answer {
            // A failure is told to those who wait, and not remembered: the next one asks again.
            Err(_) => self.names.borrow_mut().remove(name),
            Ok(addresses) => self.names.borrow_mut().insert(name.to_owned(), Entry::Answered(addresses.clone(), now())),
        };
        if let Some(Entry::Asked(waiting)) = entry {
            for sender in waiting {
                let _nobody_waits = sender.send(answer.clone());
            }
        }
    }
}

/// The task that asks for one name.
struct Ask {
    shared: Rc<Shared>,
    name: String,
    job: JobHandle<Answer>,
}

impl Drop for Ask {
    fn drop(&mut self) {
        // Aborted, or dropped with its loop, before there was an answer: those who wait are told, and the next one asks
        // again, on another loop perhaps.
        let is_unanswered = matches!(self.shared.names.borrow().get(&self.name), Some(Entry::Asked(_)));
        if is_unanswered {
            let unanswered = self.shared.names.borrow_mut().remove(&self.name);
            drop(unanswered);
        }
    }
}

impl Future for Ask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match Pin::new(&mut self.job).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => {
                let answer = result.unwrap_or_else(|error| {
                    Err(ResolveError { name: self.name.clone(), reason: error.to_string(), is_temporary: true })
                });
                self.shared.answer(&self.name, answer);
                Poll::Ready(())
            }
        }
    }
}

/// The future of [`Resolver::resolve`].
pub struct Lookup {
    port: u16,
    state: LookupState,
}

enum LookupState {
    Known(Answer),
    Asked(oneshot::Receiver<Answer>),
}

impl Future for Lookup {
    type Output = Result<Vec<SocketAddr>, ResolveError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &mut self.state {
            LookupState::Known(answer) => answer.clone(),
            LookupState::Asked(receiver) => match Pin::new(receiver).poll(cx) {
                Poll::Pending => {
                    note_waiting("a name's addresses");
                    return Poll::Pending;
                }
                Poll::Ready(Ok(answer)) => answer,
                Poll::Ready(Err(oneshot::Closed)) => Err(ResolveError {
                    name: String::new(),
                    reason: "the look-up was given up".to_owned(),
                    is_temporary: true,
                }),
            },
        };
        let port = self.port;
        Poll::Ready(answer.map(|addresses| addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()))
    }
}

/// Asks `getaddrinfo`, which answers with both families at once.
fn ask_the_system(name: &str) -> Answer {
    let fail = |reason: String, is_temporary| Err(ResolveError { name: name.to_owned(), reason, is_temporary });
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    match getaddrinfo(Some(name), None, Some(hints)) {
        Ok(found) => {
            let addresses: Vec<IpAddr> = found.filter_map(Result::ok).map(|entry| entry.sockaddr.ip()).collect();
            match addresses.is_empty() {
                true => fail("the name has no address".to_owned(), false),
                false => Ok(addresses),
            }
        }
        Err(error) => {
            let is_temporary = matches!(error.kind(), LookupErrorKind::Again);
            fail(io::Error::from(error).to_string(), is_temporary)
        }
    }
}

/// Why a name has no addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveError {
    /// The name.
    pub name: String,
    /// What the system says.
    pub reason: String,
    /// Whether asking again may help.
    pub is_temporary: bool,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "looking up `{}`: {}", self.name, self.reason)
    }
}

impl std::error::Error for ResolveError {}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("names", &self.shared.names.borrow().len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("port", &self.port).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::event_loop::{EventLoop, sleep};
    use crate::futures::join_all;

    #[test]
    fn those_who_ask_at_once_share_a_look_up_and_the_answer_is_good_for_a_minute() {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let resolver = Resolver::with_function(|_| {
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
    fn a_failure_and_a_panic_are_told_and_not_remembered() {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let resolver = Resolver::with_function(|name| match ASKED.fetch_add(1, Ordering::SeqCst) {
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
        let resolver = Resolver::with_function(|_| Ok(vec![IpAddr::from([192, 0, 2, 1])]));
        let unanswered = EventLoop::new().unwrap().block_on(async { [resolver.resolve("a.example", 80)] }).unwrap();
        let mut event_loop = EventLoop::new().unwrap();
        assert!(event_loop.block_on(join_all(unanswered)).unwrap()[0].is_err());
        assert!(event_loop.block_on(async { resolver.resolve("a.example", 80).await }).unwrap().is_ok());
    }
}
