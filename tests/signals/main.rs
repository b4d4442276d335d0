//! I10, in a process of its own, since a signal is for a process.

#[cfg(unix)]
mod unix;

fn main() {
    #[cfg(unix)]
    unix::main();
}
