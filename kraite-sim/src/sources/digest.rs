/// The digest of every Rust file under a folder, names and contents, whatever order a disk lists them in.
///
/// # Errors
///
/// The folder is not there, holds no Rust file, or a file cannot be read.
pub fn digest_of(folder: &std::path::Path) -> std::io::Result<String> {
    let mut files = std::collections::BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                files.insert(name, std::fs::read(&path)?);
            }
        }
    }
    if files.is_empty() {
        return Err(std::io::Error::other(format!("{}: no Rust file", folder.display())));
    }
    let mut told = Vec::new();
    for (name, bytes) in files {
        told.extend_from_slice(&(name.len() as u64).to_le_bytes());
        told.extend_from_slice(name.as_bytes());
        told.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        told.extend(bytes);
    }
    Ok(format!("{:032x}", twox_hash::XxHash3_128::oneshot(&told)))
}
