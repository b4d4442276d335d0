//! DNS resolution: `getaddrinfo` on a separate thread pool, with a cache.
//!
//! `getaddrinfo` is blocking, and can take many seconds if a name server does not respond. So lookups run on a separate
//! thread pool, at most eight at a time. A lookup that has taken 100 ms no longer counts towards that limit, so lookups
//! that hang do not block others. Each lookup has a time limit. Concurrent lookups of the same name are merged into
//! one, and results are cached for a minute.
//!
//! | file | subject |
//! | --- | --- |
//! | `mod.rs` | [`Resolver`], its builder, and the future [`Lookup`] |
//! | `names.rs` | the table of lookups in progress, and the cache |
//! | `lookup_task.rs` | the task that looks up one name |
//! | `system.rs` | the blocking call to `getaddrinfo` |
//! | `error.rs` | the error |

mod error;
mod lookup_task;
mod names;
mod system;

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use self::lookup_task::LookupTask;
use self::names::{Names, RequestOutcome};
use self::system::getaddrinfo_blocking;
use crate::event_loop::{ThreadPool, now, spawn_named};
use crate::observe::{polled_after_ready, set_wait_reason};
use crate::sync::{Semaphore, oneshot};

pub use error::ResolveError;

/// The maximum number of concurrent lookups that are not slow yet.
const MAX_QUICK_LOOKUPS: usize = 8;

/// The maximum number of threads, and therefore of concurrent lookups, slow or not.
const MAX_THREADS: usize = 256;

/// The default time limit of a lookup. The resolver of glibc tries each of up to three name servers twice, for 5 s each
/// time, and then reports an error itself.
const DEFAULT_LOOKUP_TIMEOUT: Duration = Duration::from_secs(30);

/// A blocking function that looks up the addresses of a name, of one family or of both.
type LookUpFunction = fn(&str, Option<AddressFamily>) -> LookupResult;

type LookupResult = Result<Vec<IpAddr>, ResolveError>;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl AddressFamily {
    fn contains(self, address: &IpAddr) -> bool {
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
    context: Rc<ResolverContext>,
}

/// The state that the clones of a resolver and its lookups share.
struct ResolverContext {
    threads: ThreadPool,
    look_up: LookUpFunction,
    /// The only address family that is used, if there is a restriction.
    family: Option<AddressFamily>,
    /// The static overrides, which need no lookup.
    overrides: Vec<HostOverride>,
    names: Names,
    /// Permits for lookups that are not slow yet.
    permits: Semaphore,
    /// The time limit of a lookup.
    lookup_timeout: Duration,
}

/// A static override: the addresses of a host for connections to one port.
struct HostOverride {
    /// The host in lower case, without brackets.
    host: String,
    port: u16,
    addresses: Vec<IpAddr>,
}

impl Resolver {
    /// Creates a resolver that uses the system's resolver.
    pub fn new() -> Resolver {
        Resolver::builder().build()
    }

    /// Returns a builder, for static overrides or a single address family.
    pub fn builder() -> ResolverBuilder {
        ResolverBuilder {
            look_up: getaddrinfo_blocking,
            family: None,
            overrides: Vec::new(),
            lookup_timeout: DEFAULT_LOOKUP_TIMEOUT,
        }
    }

    /// Returns a future that resolves to the addresses of a host, with this port. IP literals (IPv6 with or without
    /// brackets) are returned as they are. `localhost` and every name that ends in `.localhost` resolve to the loopback
    /// addresses (RFC 6761 §6.3).
    ///
    /// # Panics
    /// If no loop runs on this thread.
    pub fn resolve(&self, host: &str, port: u16) -> Lookup {
        let bare = without_brackets(host);
        let state = match self.context.resolve_locally(bare, port) {
            Some(addresses) => LookupState::Known(self.context.filter_by_family(bare, addresses)),
            None => self.context.look_up(bare.to_ascii_lowercase()),
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
///     assert_eq!(error.to_string(), "looking up `::1`: no IPv4 address, and only IPv4 is allowed");
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ResolverBuilder {
    look_up: LookUpFunction,
    family: Option<AddressFamily>,
    overrides: Vec<HostOverride>,
    lookup_timeout: Duration,
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
        self.overrides.push(HostOverride { host, port, addresses });
        self
    }

    /// Sets the time limit of a lookup. Default: 30 s. A thread that is blocked in the system's resolver cannot be
    /// interrupted, but when the limit is exceeded, the futures that wait for the lookup receive an error, and the next
    /// request for the name starts a new lookup on another thread.
    pub fn lookup_timeout(mut self, limit: Duration) -> ResolverBuilder {
        self.lookup_timeout = limit;
        self
    }

    /// Builds the resolver.
    pub fn build(self) -> Resolver {
        let ResolverBuilder { look_up, family, overrides, lookup_timeout } = self;
        let context = ResolverContext {
            threads: ThreadPool::with_queue_capacity("dns", MAX_THREADS, MAX_THREADS),
            look_up,
            family,
            overrides,
            names: Names::default(),
            permits: Semaphore::new(MAX_QUICK_LOOKUPS),
            lookup_timeout,
        };
        Resolver { context: Rc::new(context) }
    }
}

impl fmt::Debug for ResolverBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolverBuilder")
            .field("family", &self.family)
            .field("overrides", &self.overrides.len())
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

impl ResolverContext {
    /// Returns the addresses of a host if no lookup is needed.
    fn resolve_locally(&self, host: &str, port: u16) -> Option<Vec<IpAddr>> {
        let is_for = |entry: &&HostOverride| entry.port == port && entry.host.eq_ignore_ascii_case(host);
        match self.overrides.iter().find(is_for) {
            Some(entry) => Some(entry.addresses.clone()),
            None if is_localhost(host) => Some(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]),
            None => host.parse().ok().map(|address| vec![address]),
        }
    }

    fn filter_by_family(&self, host: &str, mut addresses: Vec<IpAddr>) -> LookupResult {
        let Some(family) = self.family else { return Ok(addresses) };
        addresses.retain(|address| family.contains(address));
        match addresses.is_empty() {
            true => Err(ResolveError {
                name: host.to_owned(),
                reason: format!("no {family} address, and only {family} is allowed"),
                is_temporary: false,
            }),
            false => Ok(addresses),
        }
    }

    /// Returns the cached result for a name, or joins the lookup in progress, or starts one. Does not wait.
    fn look_up(self: &Rc<Self>, name: String) -> LookupState {
        match self.names.request(&name, now()) {
            RequestOutcome::Cached(addresses) => LookupState::Known(Ok(addresses)),
            RequestOutcome::Joined(receiver) => LookupState::InFlight(receiver, name),
            RequestOutcome::New(receiver) => {
                spawn_named("dns", LookupTask::new(self.clone(), name.clone()));
                LookupState::InFlight(receiver, name)
            }
        }
    }
}

/// The future returned by [`Resolver::resolve`].
pub struct Lookup {
    port: u16,
    state: LookupState,
}

enum LookupState {
    /// The result is known without waiting.
    Known(LookupResult),
    /// Waiting for the lookup of this name.
    InFlight(oneshot::Receiver<LookupResult>, String),
    /// Completed.
    Done,
}

impl Future for Lookup {
    type Output = Result<Vec<SocketAddr>, ResolveError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match std::mem::replace(&mut self.state, LookupState::Done) {
            LookupState::Known(result) => result,
            LookupState::InFlight(mut receiver, name) => match Pin::new(&mut receiver).poll(cx) {
                Poll::Pending => {
                    self.state = LookupState::InFlight(receiver, name);
                    set_wait_reason("a name's addresses");
                    return Poll::Pending;
                }
                Poll::Ready(Ok(result)) => result,
                Poll::Ready(Err(oneshot::Closed)) => {
                    Err(ResolveError { name, reason: "the lookup was cancelled".to_owned(), is_temporary: true })
                }
            },
            LookupState::Done => polled_after_ready("Lookup"),
        };
        let port = self.port;
        Poll::Ready(result.map(|addresses| addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("names", &self.context.names.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("port", &self.port).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
