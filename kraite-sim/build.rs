//! Says which sources a judgement is made of: digests of the core's and of this crate's source files.

include!("src/sources/digest.rs");

fn main() {
    let here = std::path::PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let core = here.join("../kraite-core/src");
    for (name, folder) in [("KRAITE_CORE_SOURCES", core), ("KRAITE_SIM_SOURCES", here.join("src"))] {
        // Elsewhere than in the repository the core's sources are not beside this crate.
        let digest = digest_of(&folder).unwrap_or_else(|_| "unknown".into());
        println!("cargo::rustc-env={name}={digest}");
        if folder.is_dir() {
            println!("cargo::rerun-if-changed={}", folder.display());
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
}
