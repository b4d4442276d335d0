//! Downloads over https: which certificates are trusted, and how errors are reported and retried.

use std::io::Read;
use std::net::TcpListener;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, IsCa, date_time_ymd};

use crate::certificates::{Authority, Identity};
use crate::run::{TestDirectory, content};
use crate::secured::{configuration, secure};
use crate::server::{Reply, Request, Server};

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("the authority"));

fn identity() -> Identity {
    AUTHORITY.issue(&["127.0.0.1"], |_| {})
}

/// Starts a server with this certificate.
pub fn start_secured(identity: &Identity, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
    let configuration = configuration(identity, rustls::ALL_VERSIONS);
    Server::start_over("https", move |stream| secure(&configuration, stream), answer)
}

/// Creates a directory with the root certificate in a file.
fn place() -> (TestDirectory, String) {
    let place = TestDirectory::new();
    place.write("ca.pem", AUTHORITY.pem());
    let file = place.path("ca.pem").into_os_string().into_string().expect("UTF-8");
    (place, file)
}

#[test]
fn files_are_saved_from_a_server_with_a_trusted_certificate() {
    let server = start_secured(&identity(), |request| Reply::ok(content(7, 300_000)).field("X", &request.path));
    let (place, authority) = place();
    let run = place.get(["--json", "--cacert", &authority, &server.url("/a"), &server.url("/b"), "-j", "1"]);
    run.assert(0, "2 saved");
    assert!(place.read("a") == content(7, 300_000) && place.read("b") == content(7, 300_000));
    let lines = run.lines();
    let reused: Vec<_> = lines.iter().filter(|line| line["event"] == "done").map(|line| &line["reused"]).collect();
    assert_eq!(reused, [false, true]);
}

#[test]
fn a_truncated_transfer_over_tls_is_resumed() {
    let whole = content(8, 3 << 20);
    let server = start_secured(&identity(), {
        let whole = whole.clone();
        move |request| {
            let reply = Reply::file(request, &whole, "\"1\"");
            if request.earlier < 2 { reply.cut_after(1 << 20) } else { reply }
        }
    });
    let (place, authority) = place();
    place.get(["--cacert", &authority, &server.url("/large")]).assert(0, "1 saved");
    assert!(place.read("large") == whole);
    assert!(server.sent() < (4 << 20), "{} bytes were sent for three MiB", server.sent());
}

#[test]
fn an_untrusted_certificate_exits_with_4_and_is_not_retried() {
    let stranger = Authority::new("a stranger").issue(&["127.0.0.1"], |_| {});
    let other = AUTHORITY.issue(&["b.test"], |_| {});
    let expired = AUTHORITY.issue(&["127.0.0.1"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    let authority = AUTHORITY.issue(&["127.0.0.1"], |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    for (identity, says) in [
        (&authority, "it is a CA certificate (CA:TRUE), not a server certificate (CA:FALSE)"),
        (&stranger, "not issued by a trusted authority; give the issuer's certificate with --cacert"),
        (&other, "is valid for b.test, not for 127.0.0.1"),
        (&expired, "the certificate expired "),
    ] {
        let server = start_secured(identity, |_| Reply::ok("secret"));
        let (place, authority) = place();
        let run = place.get(["--json", "--cacert", &authority, &server.url("/x")]);
        run.assert(4, says);
        let failed = run.line("fail");
        assert_eq!((&failed["error"]["class"], &failed["error"]["code"]), (&"network".into(), &"certificate".into()));
        assert_eq!(run.events().get("retry"), None);
        assert!(server.requests().is_empty());
        assert_eq!(place.names(), ["ca.pem"]);
        // With --insecure, the certificate is not verified.
        place.get(["--insecure", &server.url("/x")]).assert(0, "1 saved");
        assert_eq!(place.text("x"), "secret");
    }
}

#[test]
fn the_system_s_root_certificates_are_used_unless_others_are_given() {
    let server = start_secured(&identity(), |_| Reply::ok("x"));
    let (place, authority) = place();
    // This variable names the system's root certificates.
    let get = |arguments: &[&str], file: &str| {
        let output = place.command(arguments).env("SSL_CERT_FILE", file).env_remove("SSL_CERT_DIR").output();
        crate::run::Run::from(output.expect("the command runs"))
    };
    get(&[&server.url("/a")], &authority).assert(0, "1 saved");
    place.write("other.pem", Authority::new("another").pem());
    let other = place.path("other.pem").into_os_string().into_string().expect("UTF-8");
    get(&[&server.url("/b")], &other).assert(4, "not issued by a trusted authority");
    get(&[&server.url("/b"), "--cacert", &other], &authority).assert(4, "not issued by a trusted authority");
    get(&[&server.url("/b")], "/nowhere").assert(4, "no root certificates found on this system");
    get(&[&server.url("/b"), "--cacert", &authority], "/nowhere").assert(0, "1 saved");
}

#[test]
fn a_file_without_certificates_is_a_usage_error() {
    let (place, authority) = place();
    place.write("broken.pem", "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n");
    place.write("empty.pem", "");
    let path = |name: &str| place.path(name).into_os_string().into_string().expect("UTF-8");
    for (file, says) in [
        (path("broken.pem"), "invalid certificate (number 1 in the file)"),
        (path("empty.pem"), "no PEM certificate"),
        (path("missing.pem"), "No such file"),
    ] {
        place.get(["--cacert", &file, "https://127.0.0.1:1/"]).assert(2, says);
    }
    place.get(["--cacert", &authority, "-k", "https://127.0.0.1:1/"]).assert(2, "cannot be combined with");
}

#[test]
fn a_port_without_tls_is_reported_differently_from_an_untrusted_certificate() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}/x", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client comes");
        stream.read_exact(&mut [0; 5]).expect("a hello");
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("the client listens");
    });
    TestDirectory::new().get(["-k", &url]).assert(4, "does not speak TLS on this port");
}

#[test]
fn an_interrupted_handshake_is_retried() {
    static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}/x", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            CONNECTIONS.fetch_add(1, Ordering::SeqCst);
            let _hello = stream.read(&mut [0; 5]);
        }
    });
    let run = TestDirectory::new().get(["-k", "--json", "--retry", "1", &url]);
    run.assert(4, "TLS handshake with 127.0.0.1:");
    assert_eq!(CONNECTIONS.load(Ordering::SeqCst), 2);
    assert_eq!(run.line("fail")["error"]["code"], "tls");
}

#[test]
fn a_redirect_from_https_to_http_is_followed_only_with_allow_downgrade() {
    let plain = Server::start(|_| Reply::ok("plain"));
    let to = plain.url("/x");
    let secured = start_secured(&identity(), move |_| Reply::redirect(302, &to));
    let (place, authority) = place();
    place.get(["--cacert", &authority, &secured.url("/x")]).assert(5, "--allow-downgrade");
    assert!(plain.requests().is_empty());
    place.get(["--cacert", &authority, "--allow-downgrade", &secured.url("/x")]).assert(0, "1 saved");
    assert_eq!(place.text("x"), "plain");
}

#[test]
fn a_redirect_from_http_to_https_is_followed_without_the_credentials() {
    let secured = start_secured(&identity(), |_| Reply::ok("secured"));
    let to = secured.url("/x");
    let plain = Server::start(move |_| Reply::redirect(302, &to));
    let (place, authority) = place();
    place.get(["--cacert", &authority, "-u", "me:secret", &plain.url("/x")]).assert(0, "1 saved");
    assert!(plain.requests()[0].contains("authorization: Basic"));
    assert!(!secured.requests()[0].contains("authorization"), "{}", secured.requests()[0]);
}
