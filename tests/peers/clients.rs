//! `glassloop serve` with wget, curl, Python's http.client and h11 as clients.

use std::process::Command;

use crate::flags_directory::FlagsDirectory;
use crate::processes::serve;
use crate::python::run_python;

#[test]
#[ignore = "needs wget"]
fn wget_downloads_a_file_and_resumes_a_partial_one() {
    let originals = FlagsDirectory::create();
    let (_server, url) = serve(originals.root());
    let place = tempfile::tempdir().expect("a temporary directory");
    let original = std::fs::read(originals.image("br")).expect("the original");
    let wget = |arguments: &[&str]| {
        let status = Command::new("wget")
            .args(["-q", "-P"])
            .arg(place.path())
            .args(arguments)
            .arg(format!("{url}/flags/br/br.gif"))
            .status()
            .expect("wget runs");
        assert!(status.success());
        std::fs::read(place.path().join("br.gif")).expect("the file")
    };
    assert!(wget(&[]) == original);
    std::fs::write(place.path().join("br.gif"), &original[..original.len() / 2]).expect("a partial file");
    assert!(wget(&["-c"]) == original, "the resumed file differs");
}

#[test]
#[ignore = "needs curl"]
fn curl_s_conditional_and_range_requests_get_the_expected_status() {
    let originals = FlagsDirectory::create();
    let (_server, url) = serve(originals.root());
    let image = format!("{url}/flags/br/br.gif");
    let curl = |arguments: &[&str]| {
        let output = Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code} %{size_download}"])
            .args(arguments)
            .output()
            .expect("curl runs");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let size = std::fs::metadata(originals.image("br")).expect("the original").len();
    assert_eq!(curl(&[&image]), format!("200 {size}"));
    assert_eq!(curl(&["-r", "10-19", &image]), "206 10");
    assert_eq!(curl(&["-r", "99999999-", &image]).split(' ').next(), Some("416"));
    assert_eq!(curl(&["-z", "Fri, 01 Jan 2100 00:00:00 GMT", &image]), "304 0");
    assert_eq!(curl(&["-I", &image]), "200 0");
    assert_eq!(curl(&["-X", "DELETE", &image]).split(' ').next(), Some("405"));
    assert_eq!(curl(&["--http1.0", &image]), format!("200 {size}"));
    assert_eq!(curl(&["--path-as-is", &format!("{url}/../../etc/passwd")]).split(' ').next(), Some("404"));
}

#[test]
#[ignore = "needs Python with h11"]
fn python_s_http_client_and_h11_receive_the_file_over_one_connection() {
    let originals = FlagsDirectory::create();
    let (_server, url) = serve(originals.root());
    let program = "
import http.client, socket, sys, h11
host, path, root = sys.argv[1:]
address, port = host.split(':')
expected = open(root + path, 'rb').read()

connection = http.client.HTTPConnection(address, int(port))
for _ in range(20):
    connection.request('GET', path)
    response = connection.getresponse()
    assert response.status == 200 and response.read() == expected
connection.request('HEAD', path)
response = connection.getresponse()
assert response.read() == b'' and int(response.headers['content-length']) == len(expected)

sock = socket.create_connection((address, int(port)))
machine = h11.Connection(h11.CLIENT)
for _ in range(20):
    sock.sendall(machine.send(h11.Request(method='GET', target=path, headers=[('Host', host)])))
    sock.sendall(machine.send(h11.EndOfMessage()))
    body = b''
    while True:
        event = machine.next_event()
        if event is h11.NEED_DATA:
            machine.receive_data(sock.recv(4096))
        elif isinstance(event, h11.Response):
            assert event.status_code == 200
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            break
    assert body == expected
    machine.start_next_cycle()
print('agreed')
";
    let root = originals.root().display().to_string();
    let host = url.trim_start_matches("http://");
    assert_eq!(run_python(program, &[host, "/flags/br/br.gif", &root]), "agreed\n");
}
