//! Service files, `pg_service.conf`: sections of parameters, each under the name of a service.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::passfile::text;
use super::url::{AddressError, known};

/// The parameters of a service, as the first of the files that knows it has them.
///
/// # Errors
/// No file knows it, one cannot be read, or holds what is no parameter.
pub(super) fn find(name: &str, files: &[PathBuf]) -> Result<Vec<(&'static str, String)>, AddressError> {
    for file in files {
        let said = match text(file) {
            Ok(said) => said,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(AddressError(format!("the service file {}: {error}", file.display()))),
        };
        let found = section(&said, name);
        let found = found.map_err(|error| AddressError(format!("the service file {}: {error}", file.display())))?;
        if let Some(found) = found {
            return Ok(found);
        }
    }
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    Err(AddressError(format!("the service {name:?} stands in no service file: looked into {}", files.join(", "))))
}

/// The parameters of one section; `None` if there is no such section.
fn section(text: &str, name: &str) -> Result<Option<Vec<(&'static str, String)>>, AddressError> {
    let mut found: Option<Vec<(&'static str, String)>> = None;
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            if header.strip_suffix(']') == Some(name) {
                found = Some(Vec::new());
            }
            continue;
        }
        let Some(parameters) = &mut found else { continue };
        let wrong = |why: String| AddressError(format!("line {number}: {why}"));
        let (name, value) = line.split_once('=').ok_or_else(|| wrong("write name=value".to_owned()))?;
        let name = known(name).map_err(|error| wrong(error.to_string()))?;
        if name.starts_with("service") {
            return Err(wrong("a service cannot name another".to_owned()));
        }
        // The first of the same name counts.
        if parameters.iter().all(|(given, _)| *given != name) {
            parameters.push((name, value.to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_gives_its_parameters() {
        let text = "# x\n[a]\nhost=h\n\n[b]\n  host=i\nport=7\nhost=later\noptions=-c a=b\n[c]\nhost=j\n";
        let b = vec![("host", "i".to_owned()), ("port", "7".to_owned()), ("options", "-c a=b".to_owned())];
        assert_eq!((section(text, "b"), section(text, "d")), (Ok(Some(b)), Ok(None)));
        for (line, wanted) in [("nonsense", "line 2"), ("colour=red", "colour"), ("service=b", "another")] {
            let error = section(&format!("[a]\n{line}\n"), "a").unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn the_first_file_that_knows_a_service_counts() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["missing", "one", "two"].map(|name| folder.path().join(name));
        std::fs::write(&files[1], "[a]\nhost=first\n").unwrap();
        std::fs::write(&files[2], "[a]\nhost=second\n[b]\nhost=only\n").unwrap();
        assert_eq!(find("a", &files).unwrap(), [("host", "first".to_owned())]);
        assert_eq!(find("b", &files).unwrap(), [("host", "only".to_owned())]);
        let error = find("c", &files).unwrap_err().to_string();
        assert!(error.contains("\"c\"") && error.contains("/missing, "), "{error}");
    }
}
