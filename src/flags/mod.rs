//! Country flags: the sample application of this crate, with a downloader and a server.
//!
//! The flags are the running example of the asyncio chapter of *Fluent Python* (Luciano Ramalho): a server has one
//! small image per country at `flags/cc/cc.gif`, and a client downloads twenty of them, with a limit on concurrent
//! requests.
//!
//! | file | subject | does I/O |
//! | --- | --- | --- |
//! | [`codes`] | countries, country codes, and the selection of codes on a command line | no |
//! | [`metadata`] | the `metadata.json` of a flag, and file names with the country's name | no |
//! | [`downloader`] | the chapter's downloader, with `async fn` | yes |
//! | [`drawing`] | drawing the flags, for a server without image files | no |
//! | [`site`] | the service that serves the flags, and servers that run in this process | yes |

pub mod codes;
pub mod downloader;
pub mod drawing;
pub mod metadata;
pub mod site;
