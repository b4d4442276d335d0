//! A folder with all flags, `flags/cc/cc.gif` and `metadata.json`: the real ones if they are there, drawn ones if not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use glassloop::flags::codes::COUNTRIES;
use glassloop::flags::drawing::draw;
use glassloop::flags::metadata::metadata_json;

/// Where the real ones may be, seen from the project.
const REAL: &str = "../shared/data/flags.zip";

/// The folder, removed with the value.
pub struct FlagsFolder {
    place: tempfile::TempDir,
}

impl FlagsFolder {
    /// Unpacks the real flags or draws others.
    pub fn make() -> FlagsFolder {
        let place = tempfile::tempdir().expect("a temporary folder");
        let real = Path::new(env!("CARGO_MANIFEST_DIR")).join(REAL);
        if real.exists() {
            let unpacked = Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&real).arg(place.path()).status();
            assert!(unpacked.expect("python3 runs").success());
        } else {
            for country in &COUNTRIES {
                let folder = place.path().join("flags").join(country.code.lower());
                fs::create_dir_all(&folder).expect("a folder");
                let image = draw(country.code).expect("every country has a flag");
                fs::write(folder.join(format!("{}.gif", country.code.lower())), image).expect("a file");
                fs::write(folder.join("metadata.json"), metadata_json(country)).expect("a file");
            }
        }
        FlagsFolder { place }
    }

    /// The folder that holds `flags/`.
    pub fn root(&self) -> &Path {
        self.place.path()
    }

    /// The image of a country, by its code in lower case.
    pub fn image(&self, code: &str) -> PathBuf {
        self.root().join("flags").join(code).join(format!("{code}.gif"))
    }

    /// Asserts that a folder holds exactly the 194 images, byte for byte.
    pub fn assert_all_in(&self, folder: &Path) {
        assert_eq!(fs::read_dir(folder).expect("the folder").count(), COUNTRIES.len());
        for country in &COUNTRIES {
            let code = country.code.lower();
            let saved = fs::read(folder.join(format!("{code}.gif"))).unwrap_or_else(|error| panic!("{code}: {error}"));
            assert!(saved == fs::read(self.image(&code)).expect("the original"), "{code}.gif differs");
        }
    }
}
