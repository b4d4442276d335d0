//! The arguments of `glassloop serve`.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use http::StatusCode;

use super::help::HelpArguments;
use super::observers::ObserveArguments;
use crate::http::server::Delay;

/// Serve the files of a directory or, without one, images of flags
#[derive(Args, Debug)]
#[command(
    disable_help_flag = true,
    after_help = "`glassloop serve --help` lists all options, examples and exit codes.",
    after_long_help = "\
Examples:
  glassloop serve public/             its files at http://127.0.0.1:8000/
  glassloop serve . -p 0 --index      a free port, with directory listings
  glassloop serve . --error-rate 0.1  10 % of the responses are 503
  glassloop serve                     flags: LOCAL 8001, DELAY 8002, ERROR 8003

The query of a request can select a fault: gl-delay=MS, gl-status=503,
gl-retry-after=S or gl-rate=BYTES; gl-cut=N, gl-reset=N or gl-stall=N take
effect after N bytes of the body.

Exit codes:
  0    stopped by Ctrl-C or SIGTERM
  1    cannot listen, or another failure of the server
  2    usage error, or the directory cannot be read
  3    standard output cannot be written"
)]
pub(super) struct ServeArguments {
    /// Directory to serve; without it, the images of `glassloop flags`
    #[arg(value_name = "DIR")]
    pub(super) folder: Option<PathBuf>,

    /// List directories that have no index.html
    #[arg(long, requires = "folder", help_heading = "Output")]
    pub(super) index: bool,

    /// Port for DIR; 0 selects a free one
    #[arg(short, long, value_name = "PORT", default_value_t = 8000, requires = "folder", help_heading = "Network")]
    pub(super) port: u16,
    /// Ports of LOCAL, DELAY, ERROR [default: 8001,8002,8003]
    #[arg(long, value_name = "A,B,C", value_parser = parse_ports, default_value = "8001,8002,8003",
          conflicts_with = "folder", help_heading = "Network", hide_default_value = true)]
    pub(super) ports: Ports,
    /// Address to listen on; default 127.0.0.1 (local only)
    #[arg(long, value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), help_heading = "Network",
          hide_default_value = true)]
    pub(super) bind: IpAddr,
    /// Close each connection after one response
    #[arg(long, help_heading = "Network", hide_short_help = true)]
    pub(super) no_keepalive: bool,

    /// Delay before responses in seconds, or a random range
    #[arg(long, value_name = "S|MIN..MAX", value_parser = parse_delay, help_heading = "Faults", hide_short_help = true)]
    pub(super) delay: Option<Delay>,
    /// Probability that a response is an error
    #[arg(long, value_name = "P", value_parser = parse_probability, help_heading = "Faults", hide_short_help = true)]
    pub(super) error_rate: Option<f64>,
    /// Status of the error responses
    #[arg(long, value_name = "N", default_value = "503", value_parser = parse_error_status, help_heading = "Faults",
          hide_short_help = true)]
    pub(super) error_status: StatusCode,
    /// Probability that a body is cut off
    #[arg(long, value_name = "P", value_parser = parse_probability, help_heading = "Faults", hide_short_help = true)]
    pub(super) truncate_rate: Option<f64>,
    /// Probability that a connection is reset
    #[arg(long, value_name = "P", value_parser = parse_probability, help_heading = "Faults", hide_short_help = true)]
    pub(super) reset_rate: Option<f64>,
    /// Probability that a body stalls
    #[arg(long, value_name = "P", value_parser = parse_probability, help_heading = "Faults", hide_short_help = true)]
    pub(super) stall_rate: Option<f64>,
    /// Seed of the random faults, to repeat a run
    #[arg(long, value_name = "N", help_heading = "Faults", hide_short_help = true)]
    pub(super) seed: Option<u64>,

    /// Bytes per second for each response, such as 64k
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, help_heading = "Limits", hide_short_help = true)]
    pub(super) rate: Option<NonZeroU64>,
    /// Maximum connections per port
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_000_000),
          help_heading = "Limits", hide_short_help = true)]
    pub(super) max_conns: u32,

    /// Print a line for each request to stderr
    #[arg(short, long, help_heading = "Reporting")]
    pub(super) verbose: bool,
    #[command(flatten)]
    help: HelpArguments,
    #[command(flatten)]
    pub(super) observe: ObserveArguments,
}

/// The ports of LOCAL, DELAY and ERROR.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports(pub(super) [u16; 3]);

fn parse_ports(text: &str) -> Result<Ports, String> {
    let ports: Option<Vec<u16>> = text.split(',').map(|port| port.parse::<u16>().ok()).collect();
    let three = ports.and_then(|ports| ports.try_into().ok());
    three.map(Ports).ok_or_else(|| "expected three ports, such as 8001,8002,8003 (0 selects a free one)".to_owned())
}

fn parse_delay(text: &str) -> Result<Delay, String> {
    let seconds = |text: &str| {
        // No client waits for an hour, and the limit prevents an overflow of the sum of times.
        let seconds: f64 = text.parse().ok().filter(|seconds| (0.0..=3600.0).contains(seconds))?;
        Some(Duration::from_secs_f64(seconds))
    };
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    match (seconds(least), seconds(most)) {
        (Some(least), Some(most)) if least <= most => Ok(Delay { min: least, max: most, rate: 1.0 }),
        _ => Err("expected seconds from 0 to 3600, such as 0.5, or a range such as 0.1..2".to_owned()),
    }
}

fn parse_probability(text: &str) -> Result<f64, String> {
    let probability = text.parse().ok().filter(|probability| (0.0..=1.0).contains(probability));
    probability.ok_or_else(|| "expected a probability from 0 to 1, such as 0.25".to_owned())
}

fn parse_error_status(text: &str) -> Result<StatusCode, String> {
    let status = StatusCode::from_str(text).ok().filter(|status| status.is_client_error() || status.is_server_error());
    status.ok_or_else(|| "expected a status from 400 to 599".to_owned())
}

fn parse_bytes(text: &str) -> Result<NonZeroU64, String> {
    let (digits, unit) = match text.as_bytes().last().map(u8::to_ascii_lowercase) {
        Some(b'k') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm') => (&text[..text.len() - 1], 1 << 20),
        Some(b'g') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let number: Option<NonZeroU64> = digits.parse().ok();
    let bytes = number.and_then(|number| number.checked_mul(NonZeroU64::new(unit)?));
    bytes.ok_or_else(|| "expected a number of bytes above 0, such as 50000 or 64k".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_a_time_or_a_range() {
        let delay = |text| parse_delay(text).ok().map(|delay| (delay.min.as_millis(), delay.max.as_millis()));
        assert_eq!(delay("0.5"), Some((500, 500)));
        assert_eq!(delay("0.1..2"), Some((100, 2000)));
        for bad in ["", "-1", "2..1", "1..", "..1", "nan", "inf", "1e9", "x"] {
            assert_eq!(delay(bad), None, "{bad}");
        }
    }

    #[test]
    fn probabilities_are_from_0_to_1_and_byte_rates_have_units() {
        assert_eq!(parse_probability("0.25"), Ok(0.25));
        assert!(["-0.1", "1.1", "nan", ""].into_iter().all(|bad| parse_probability(bad).is_err()));
        assert_eq!(parse_bytes("64k").map(NonZeroU64::get), Ok(65_536));
        assert_eq!(parse_bytes("1000").map(NonZeroU64::get), Ok(1_000));
        assert!(
            ["0", "k", "-1", "99999999999999999999", "9999999999999999g", "é"]
                .into_iter()
                .all(|bad| parse_bytes(bad).is_err())
        );
    }
}
