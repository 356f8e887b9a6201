//! Which sources a judgement of the explorer or the swarm is about.
//!
//! A count says something only about the code that was run. Both digests are taken by the build script while
//! the binary is made, so that what a run writes down cannot name another core than the one that ran.

include!("digest.rs");

/// The digest of the core's sources in this build; `unknown` where they were not beside this crate.
pub const CORE: &str = env!("KRAITE_CORE_SOURCES");

/// The digest of the sources of the simulated world, the explorer and the swarm in this build.
pub const SIMULATOR: &str = env!("KRAITE_SIM_SOURCES");

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_digests_of_a_build_are_those_of_the_sources_beside_it() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(digest_of(&here.join("../kraite-core/src")).unwrap(), CORE);
        assert_eq!(digest_of(&here.join("src")).unwrap(), SIMULATOR);
        assert_ne!(CORE, SIMULATOR);
    }

    #[test]
    fn mutant_a_changed_byte_and_a_changed_name_are_another_digest() {
        let folder = tempfile::tempdir().unwrap();
        assert!(digest_of(folder.path()).is_err(), "nothing has no digest");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.rs", "fn a() {}");
        let first = digest_of(folder.path()).unwrap();
        write("notes.txt", "not a source");
        assert_eq!(digest_of(folder.path()).unwrap(), first);
        write("a.rs", "fn a() { }");
        let second = digest_of(folder.path()).unwrap();
        assert_ne!(first, second);
        std::fs::rename(folder.path().join("a.rs"), folder.path().join("b.rs")).unwrap();
        assert_ne!(digest_of(folder.path()).unwrap(), second);
    }
}
