//! The country flags: the example the rest of the crate is put to work on.
//!
//! The flags come from the asyncio chapter of *Fluent Python* (Luciano Ramalho): a server holds
//! one small picture a country under `flags/cc/cc.gif`, a client wants twenty of them, and the
//! only question is how many requests are under way at once. Everything in this room is either
//! about those flags or needs nothing else:
//!
//! | file | subject | does I/O |
//! | --- | --- | --- |
//! | [`codes`] | the countries, their codes, and which codes a command line asks for | no |
//! | [`metadata`] | what is said about a flag beside its picture, and its file name | no |
//! | [`downloader`] | the chapter's downloader, in coroutines | yes |
//! | [`drawing`] | the pictures themselves, for a server that was given no real ones | no |
//! | [`site`] | the site that shows them, and servers in this process | yes |

pub mod codes;
pub mod downloader;
pub mod drawing;
pub mod metadata;
pub mod site;
