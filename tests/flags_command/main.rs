//! `glassloop flags`, run as a user runs it, on servers of its own and on bad ones.

mod bad_input;
mod bad_servers;
mod interrupted;
mod run;
mod well;
