//! A temporary directory with all flags, as `flags/cc/cc.gif` and `flags/cc/metadata.json`.

use std::fs;
use std::path::{Path, PathBuf};

use glassloop::flags::codes::COUNTRIES;
use glassloop::flags::drawing::draw;
use glassloop::flags::metadata::metadata_json;

/// The environment variable that names a directory with the real flags, `cc/cc.gif`. Without it the flags are drawn.
const REAL_FLAGS: &str = "GLASSLOOP_REAL_FLAGS";

/// The directory, which is removed on drop.
pub struct FlagsDirectory {
    place: tempfile::TempDir,
}

impl FlagsDirectory {
    /// Copies the real flags, or draws them.
    pub fn create() -> FlagsDirectory {
        let place = tempfile::tempdir().expect("a temporary directory");
        let real = std::env::var_os(REAL_FLAGS).map(PathBuf::from);
        for country in &COUNTRIES {
            let code = country.code.lower();
            let image = match &real {
                Some(real) => fs::read(real.join(&code).join(format!("{code}.gif"))).expect("a real flag"),
                None => draw(country.code).expect("every country has a flag"),
            };
            let directory = place.path().join("flags").join(&code);
            fs::create_dir_all(&directory).expect("a directory");
            fs::write(directory.join(format!("{code}.gif")), image).expect("a written file");
            fs::write(directory.join("metadata.json"), metadata_json(country)).expect("a written file");
        }
        FlagsDirectory { place }
    }

    /// Returns the directory that contains `flags/`.
    pub fn root(&self) -> &Path {
        self.place.path()
    }

    /// Returns the path of an image. `code` is in lower case.
    pub fn image(&self, code: &str) -> PathBuf {
        self.root().join("flags").join(code).join(format!("{code}.gif"))
    }

    /// Asserts that a directory contains the 194 images, byte for byte, and no other files.
    pub fn assert_all_in(&self, directory: &Path) {
        assert_eq!(fs::read_dir(directory).expect("the directory").count(), COUNTRIES.len());
        for country in &COUNTRIES {
            let code = country.code.lower();
            let saved =
                fs::read(directory.join(format!("{code}.gif"))).unwrap_or_else(|error| panic!("{code}: {error}"));
            assert!(saved == fs::read(self.image(&code)).expect("the original"), "{code}.gif differs");
        }
    }
}
