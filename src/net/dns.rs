//! DNS resolution: `getaddrinfo` on a thread pool, with a cache.
//!
//! `getaddrinfo` is blocking, and can take many seconds if a name server does not respond. So lookups run on threads of
//! their own, and only a few are started at a time. A slow lookup no longer counts towards that limit, so stuck lookups
//! do not block other lookups. Concurrent lookups of the same name are merged into one, and results are cached for a
//! minute.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque, hash_map};
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use dns_lookup::{AddrFamily, AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};

use crate::event_loop::{Job, JobHandle, Sleep, ThreadPool, now, run_in_executor, sleep, spawn_named};
use crate::observe::{polled_after_ready, set_wait_reason};
use crate::sync::{Acquire, Permit, Semaphore, oneshot};

/// The time for which results are cached.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// The maximum number of cached results; if it is exceeded, the oldest is evicted.
const MOST_ANSWERS: usize = 1024;

/// The maximum number of concurrent lookups that are not slow yet.
const QUICK_LOOKUPS: usize = 8;

/// The time after which a lookup counts as slow.
const SLOW_AFTER: Duration = Duration::from_millis(100);

/// The maximum number of threads, and therefore of concurrent lookups, slow or not.
const MOST_THREADS: usize = 256;

/// A blocking function that looks up the addresses of a name, of one family or of both.
type LookUpFunction = fn(&str, Option<AddressFamily>) -> Result<Vec<IpAddr>, ResolveError>;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl AddressFamily {
    fn has(self, address: &IpAddr) -> bool {
        match self {
            AddressFamily::V4 => address.is_ipv4(),
            AddressFamily::V6 => address.is_ipv6(),
        }
    }
}

impl fmt::Display for AddressFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AddressFamily::V4 => "IPv4",
            AddressFamily::V6 => "IPv6",
        })
    }
}

/// A DNS resolver, which merges concurrent lookups of the same name and caches results for a minute. It is a handle:
/// clones share the cache.
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
    /// The only address family that is used, if there is a restriction.
    family: Option<AddressFamily>,
    /// The static overrides, which need no lookup.
    fixed: Vec<FixedAnswer>,
    names: RefCell<HashMap<String, Entry>>,
    /// The cached names with the times of their results, oldest first. A name may occur more than once.
    answered: RefCell<VecDeque<(String, Instant)>>,
    /// Permits for lookups that are not slow yet.
    quick: Semaphore,
}

/// A static override: the addresses of a host for connections to one port.
struct FixedAnswer {
    /// The host in lower case, without brackets.
    host: String,
    port: u16,
    addresses: Vec<IpAddr>,
}

enum Entry {
    /// A lookup in progress, with the channels of the futures that wait for its result.
    Asked(Vec<oneshot::Sender<Answer>>),
    /// A cached result, with the time of the lookup.
    Answered(Vec<IpAddr>, Instant),
}

type Answer = Result<Vec<IpAddr>, ResolveError>;

impl Resolver {
    /// Creates a resolver that uses the system's resolver.
    pub fn new() -> Resolver {
        Resolver::builder().build()
    }

    /// Returns a builder, for static overrides or a single address family.
    pub fn builder() -> ResolverBuilder {
        ResolverBuilder { look_up: ask_the_system, family: None, fixed: Vec::new() }
    }

    /// Returns a future that resolves to the addresses of a host, with this port. IP literals (IPv6 with or without
    /// brackets) are returned as they are. `localhost` and every name that ends in `.localhost` resolve to the loopback
    /// addresses (RFC 6761 §6.3).
    ///
    /// # Panics
    /// If no loop runs on this thread.
    pub fn resolve(&self, host: &str, port: u16) -> Lookup {
        let bare = without_brackets(host);
        let state = match self.shared.known(bare, port) {
            Some(addresses) => LookupState::Known(self.shared.of_wanted_family(bare, addresses)),
            None => self.shared.clone().look_up(bare.to_ascii_lowercase()),
        };
        Lookup { port, state }
    }
}

/// Returns whether a name is `localhost` or a subdomain of it. Such a name always refers to this machine. It is never
/// sent to a name server, since a server that returned another address would decide where the request is sent (RFC 6761
/// §6.3).
fn is_localhost(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let last_label = name.rsplit('.').next().unwrap_or_default();
    last_label.eq_ignore_ascii_case("localhost")
}

fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// A builder of [`Resolver`]s.
///
/// ```
/// use glassloop::{EventLoop, net::{AddressFamily, Resolver}};
///
/// let mut event_loop = EventLoop::new()?;
/// event_loop.block_on(async {
///     let resolver = Resolver::builder()
///         .add_override("flags.example", 80, vec!["127.0.0.1".parse()?, "::1".parse()?])
///         .address_family(AddressFamily::V4)
///         .build();
///     assert_eq!(resolver.resolve("Flags.Example", 80).await?, ["127.0.0.1:80".parse()?]);
///     let error = resolver.resolve("[::1]", 80).await.unwrap_err();
///     assert_eq!(error.to_string(), "looking up `::1`: it has no IPv4 address, and no other is wanted");
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ResolverBuilder {
    look_up: LookUpFunction,
    family: Option<AddressFamily>,
    fixed: Vec<FixedAnswer>,
}

impl ResolverBuilder {
    /// Restricts the resolver to one address family.
    pub fn address_family(mut self, family: AddressFamily) -> ResolverBuilder {
        self.family = Some(family);
        self
    }

    /// Adds a static override: connections to this host and port use these addresses, without a lookup. The first
    /// override for a host and port takes precedence.
    pub fn add_override(mut self, host: &str, port: u16, addresses: Vec<IpAddr>) -> ResolverBuilder {
        let host = without_brackets(host).to_ascii_lowercase();
        self.fixed.push(FixedAnswer { host, port, addresses });
        self
    }

    /// Builds the resolver.
    pub fn build(self) -> Resolver {
        let ResolverBuilder { look_up, family, fixed } = self;
        let shared = Shared {
            pool: ThreadPool::with_queue_capacity("dns", MOST_THREADS, MOST_THREADS),
            look_up,
            family,
            fixed,
            names: RefCell::default(),
            answered: RefCell::default(),
            quick: Semaphore::new(QUICK_LOOKUPS),
        };
        Resolver { shared: Rc::new(shared) }
    }
}

impl fmt::Debug for ResolverBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolverBuilder")
            .field("family", &self.family)
            .field("fixed", &self.fixed.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Resolver {
    /// Returns a resolver that calls this function instead of the system's resolver.
    pub(crate) fn calling(look_up: LookUpFunction) -> Resolver {
        ResolverBuilder { look_up, ..Resolver::builder() }.build()
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Resolver::new()
    }
}

impl Shared {
    /// Returns the addresses of a host if no lookup is needed.
    fn known(&self, host: &str, port: u16) -> Option<Vec<IpAddr>> {
        let is_meant = |answer: &&FixedAnswer| answer.port == port && answer.host.eq_ignore_ascii_case(host);
        match self.fixed.iter().find(is_meant) {
            Some(answer) => Some(answer.addresses.clone()),
            None if is_localhost(host) => Some(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]),
            None => host.parse().ok().map(|address| vec![address]),
        }
    }

    fn of_wanted_family(&self, host: &str, mut addresses: Vec<IpAddr>) -> Answer {
        let Some(family) = self.family else { return Ok(addresses) };
        addresses.retain(|address| family.has(address));
        match addresses.is_empty() {
            true => Err(ResolveError {
                name: host.to_owned(),
                reason: format!("it has no {family} address, and no other is wanted"),
                is_temporary: false,
            }),
            false => Ok(addresses),
        }
    }

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
        let state = match self.quick.try_acquire() {
            Some(permit) => self.start(&name, permit),
            None => AskState::Permit(self.quick.acquire()),
        };
        // A separate task, so that cancelling one waiter does not cancel the lookup for the others.
        spawn_named("dns", Ask { shared: self, name, state });
        LookupState::Asked(receiver)
    }

    fn start(&self, name: &str, permit: Permit) -> AskState {
        let (look_up, family, asked) = (self.look_up, self.family, name.to_owned());
        let job = Job::new(move || look_up(&asked, family)).label("dns").cancellable();
        AskState::Job { job: run_in_executor(Some(&self.pool), job), quick: Some((permit, sleep(SLOW_AFTER))) }
    }

    /// Returns whether any future is still waiting for this name.
    fn is_wanted(&self, name: &str) -> bool {
        match self.names.borrow().get(name) {
            Some(Entry::Asked(waiting)) => waiting.iter().any(|sender| !sender.is_closed()),
            _ => false,
        }
    }

    /// Caches a result and evicts old ones. Returns the previous entry of the name.
    fn remember(&self, name: &str, addresses: Vec<IpAddr>, at: Instant) -> Option<Entry> {
        let (mut names, mut answered) = (self.names.borrow_mut(), self.answered.borrow_mut());
        answered.push_back((name.to_owned(), at));
        let before = names.insert(name.to_owned(), Entry::Answered(addresses, at));
        while let Some((oldest, then)) = answered.front()
            && (answered.len() > MOST_ANSWERS || at.saturating_duration_since(*then) >= GOOD_FOR)
        {
            if matches!(names.get(oldest), Some(Entry::Answered(_, when)) if when == then) {
                names.remove(oldest);
            }
            answered.pop_front();
        }
        before
    }

    fn answer(&self, name: &str, answer: Answer) {
        let entry = match &answer {
            // A failure is reported to the waiters and not cached, so the next call starts a new lookup.
            Err(_) => self.names.borrow_mut().remove(name),
            Ok(addresses) => self.remember(name, addresses.clone(), now()),
        };
        if let Some(Entry::Asked(waiting)) = entry {
            for sender in waiting {
                let _nobody_waits = sender.send(answer.clone());
            }
        }
    }
}

/// The task that looks up one name.
struct Ask {
    shared: Rc<Shared>,
    name: String,
    state: AskState,
}

enum AskState {
    /// Waiting because too many lookups have been started recently.
    Permit(Acquire),
    /// A thread is looking up the name. `quick` is its permit, released when the timer expires.
    Job { job: JobHandle<Answer>, quick: Option<(Permit, Sleep)> },
}

impl Drop for Ask {
    fn drop(&mut self) {
        // The task was aborted, or dropped with its loop, before there was a result: the waiters are notified, and the
        // next call starts a new lookup, possibly on another loop.
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
        let this = &mut *self;
        if let AskState::Permit(permit) = &mut this.state {
            let Poll::Ready(permit) = Pin::new(permit).poll(cx) else { return Poll::Pending };
            // All waiters may have been dropped in the meantime. A later call then starts a new lookup.
            if !this.shared.is_wanted(&this.name) {
                return Poll::Ready(());
            }
            this.state = this.shared.start(&this.name, permit);
        }
        let AskState::Job { job, quick } = &mut this.state else { return Poll::Pending };
        if let Poll::Ready(result) = Pin::new(job).poll(cx) {
            let answer = result.unwrap_or_else(|error| {
                Err(ResolveError { name: this.name.clone(), reason: error.to_string(), is_temporary: true })
            });
            this.shared.answer(&this.name, answer);
            return Poll::Ready(());
        }
        if quick.as_mut().is_some_and(|(_, time)| Pin::new(time).poll(cx).is_ready()) {
            *quick = None;
        }
        Poll::Pending
    }
}

/// The future returned by [`Resolver::resolve`].
pub struct Lookup {
    port: u16,
    state: LookupState,
}

enum LookupState {
    Known(Answer),
    Asked(oneshot::Receiver<Answer>),
    Done,
}

impl Future for Lookup {
    type Output = Result<Vec<SocketAddr>, ResolveError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match std::mem::replace(&mut self.state, LookupState::Done) {
            LookupState::Known(answer) => answer,
            LookupState::Asked(mut receiver) => match Pin::new(&mut receiver).poll(cx) {
                Poll::Pending => {
                    self.state = LookupState::Asked(receiver);
                    set_wait_reason("a name's addresses");
                    return Poll::Pending;
                }
                Poll::Ready(Ok(answer)) => answer,
                Poll::Ready(Err(oneshot::Closed)) => Err(ResolveError {
                    name: String::new(),
                    reason: "the look-up was given up".to_owned(),
                    is_temporary: true,
                }),
            },
            LookupState::Done => polled_after_ready("Lookup"),
        };
        let port = self.port;
        Poll::Ready(answer.map(|addresses| addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()))
    }
}

/// Calls `getaddrinfo`, which returns both families at once unless only one is requested.
fn ask_the_system(name: &str, family: Option<AddressFamily>) -> Answer {
    let fail = |reason: String, is_temporary| {
        let reason = match family {
            None => reason,
            Some(family) => format!("{reason} (only {family} addresses are wanted)"),
        };
        Err(ResolveError { name: name.to_owned(), reason, is_temporary })
    };
    let address = match family {
        None => 0,
        Some(AddressFamily::V4) => AddrFamily::Inet.into(),
        Some(AddressFamily::V6) => AddrFamily::Inet6.into(),
    };
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), address, ..AddrInfoHints::default() };
    match getaddrinfo(Some(name), None, Some(hints)) {
        Ok(found) => {
            let addresses: Vec<IpAddr> = found.filter_map(Result::ok).map(|entry| entry.sockaddr.ip()).collect();
            match addresses.is_empty() {
                true => fail("the name has no address".to_owned(), false),
                false => Ok(addresses),
            }
        }
        Err(error) => {
            // If there is no file descriptor for its files and sockets, the system reports that the name does not
            // exist.
            let is_temporary = matches!(error.kind(), LookupErrorKind::Again) || !is_descriptor_left();
            fail(io::Error::from(error).to_string(), is_temporary)
        }
    }
}

fn is_descriptor_left() -> bool {
    !cfg!(unix) || std::fs::File::open("/dev/null").is_ok()
}

/// The error of a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveError {
    /// The name.
    pub name: String,
    /// The message of the system.
    pub reason: String,
    /// Whether the error is temporary, so that a retry may succeed.
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
#[path = "dns_tests.rs"]
mod tests;
