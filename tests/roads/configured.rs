//! A configuration as a person has it: names of devices wherever a device is taken, defaults of a backup, hooks around it,
//! figures after it; and what happens where it is wrong.

use super::commands::{Case, json, run};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A centre with a configuration.
struct Site {
    case: Case,
    folder: PathBuf,
}

impl Site {
    /// With the text of hooks, in which `@` is the folder.
    fn new(hooks: &str) -> Site {
        let case = Case::new();
        let folder = case.centre.folder.path().to_owned();
        let site = Site { case, folder };
        let hooks = hooks.replace('@', &site.folder.display().to_string());
        let text = format!(
            "system = 'ACME'\ndatabase = '{}'\nstate = 'state'\nmetrics = 'figures.prom'\ndefault_device = 'nightly'\n\
             [devices]\nnightly = 'nightly'\nmonday = '{}'\ngone = '/no/such/folder'\n[hooks]\n{hooks}\n",
            site.case.url(),
            site.case.device()
        );
        std::fs::write(site.file("intervault.toml"), text).unwrap();
        // Whatever this machine grants to new files: a configuration with hooks is nobody else's to write.
        std::fs::set_permissions(site.file("intervault.toml"), std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::create_dir(site.file("nightly")).unwrap();
        site
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn config(&self) -> String {
        self.file("intervault.toml").display().to_string()
    }

    fn run(&self, arguments: &[&str], status: i32) -> (String, String) {
        // Where the tests run nobody keeps a history, unless it is said where.
        let state = self.file("state").display().to_string();
        run(&[arguments, &["--config", &self.config(), "--state-dir", &state]].concat(), status)
    }

    fn json(&self, arguments: &[&str], status: i32) -> Value {
        let state = self.file("state").display().to_string();
        json(&[arguments, &["--config", &self.config(), "--state-dir", &state]].concat(), status)
    }
}

/// A tape is one by whatever name it goes.
#[test]
fn rules_for_tapes_hold_for_those_with_names() {
    let site = Site::new("");
    let text = std::fs::read_to_string(site.config()).unwrap();
    std::fs::write(site.config(), text.replace("[hooks]", "reel = 'tape:reel.tap'\n[hooks]")).unwrap();
    let to = |name: &str, status| site.run(&["backup", "--to", name, "--overwrite", "any"], status);
    for _ in 0..2 {
        to("reel", 0);
    }
    let (_, said) = to("nightly", 2);
    assert!(said.contains("--overwrite is for tapes"), "{said}");
    assert_eq!(site.json(&["check", "reel"], 0)["sets"].as_array().unwrap().len(), 1);
}

#[test]
fn names_and_defaults_are_filled_in() {
    let site = Site::new("");
    let backup = site.json(&["backup"], 0);
    assert!(backup["label"].as_str().unwrap().starts_with("ACME-"), "{backup}");
    assert!(std::fs::read_dir(site.file("nightly")).unwrap().count() > 0);
    assert_eq!(site.json(&["check", "nightly", "--verify"], 0)["sets"][0]["label"], backup["label"]);
    assert_eq!(site.json(&["label", "nightly"], 0)["volumes"][0]["label"], backup["label"]);
    assert!(site.run(&["label", "nightly", "--sticker"], 0).0.contains("ACME-"));
    assert_eq!(site.json(&["status", "nightly"], 0)["chains"].as_array().unwrap().len(), 1);
    site.json(&["prune", "nightly", "monday", "--keep-last", "1", "--dry-run"], 0);
    site.case.ruin();
    let restore = ["restore", "--database", &site.case.url(), "--from", "nightly", "--data", "historical"];
    site.json(&[&restore[..], &["--dry-run"]].concat(), 0);
    site.run(&["restore", "--from", "nightly"], 2);
    site.run(&["check", "./nightly"], 10);
}

#[test]
fn the_devices_are_listed_as_they_are() {
    let site = Site::new("");
    let list = site.json(&["devices"], 3);
    let devices = list["devices"].as_array().unwrap();
    let field = |name: &str| devices.iter().map(|device| device[name].clone()).collect::<Vec<_>>();
    assert_eq!(field("name"), ["gone", "monday", "nightly"]);
    assert_eq!(
        (field("default"), field("reachable")),
        (vec![false.into(), false.into(), true.into()], vec![false.into(), true.into(), true.into()])
    );
    assert_eq!((&devices[0]["volumes"], &devices[1]["volumes"]), (&Value::Null, &1.into()));
    assert!(devices[2]["free_bytes"].as_u64().unwrap() > 0);
    let (out, err) = site.run(&["devices"], 3);
    assert!(out.contains("nightly  default  ") && out.contains("not reachable"), "{out}");
    assert!(err.contains("warning: gone: "), "{err}");
    run(&["devices"], 10);
}

#[test]
fn hooks_run_around_a_backup_and_know_how_it_ended() {
    let told = "env | grep INTERVAULT_ | sort";
    let hooks = format!(
        "before = [['/bin/sh', '-c', \"{told} > '@/before'; echo said by the hook\"]]\n\
         after = [['/bin/sh', '-c', \"{told} > '@/after'\"], ['/usr/bin/touch', '@/second $HOME']]"
    );
    let site = Site::new(&hooks);
    let (out, err) = site.run(&["backup"], 0);
    assert!(err.contains("said by the hook") && !out.contains("said by the hook"), "{out}{err}");
    let read = |name: &str| std::fs::read_to_string(site.file(name)).unwrap();
    assert!(read("before").contains("INTERVAULT_EVENT=before\n") && !read("before").contains("INTERVAULT_RESULT"));
    for line in
        ["INTERVAULT_RESULT=finished\n", "INTERVAULT_EXIT=0\n", "INTERVAULT_LABEL=ACME-", "INTERVAULT_VERIFIED=true\n"]
    {
        assert!(read("after").contains(line), "{line}: {}", read("after"));
    }
    assert!(site.file("second $HOME").exists(), "no shell reads the words of a hook");
    let figures = read("figures.prom");
    assert!(figures.contains("intervault_backup_last_ok{") && figures.contains("} 1\n"), "{figures}");
    site.run(&["backup", "--database", "sqlite:/no/such"], 10);
    assert!(read("after").contains("INTERVAULT_RESULT=failed\n") && read("after").contains("INTERVAULT_EXIT=10\n"));
    assert!(read("figures.prom").contains("intervault_backup_last_ok{database=\"sqlite:/no/such\"} 0\n"));
    std::fs::remove_file(site.file("before")).unwrap();
    site.run(&["backup", "--dry-run"], 0);
    assert!(!site.file("before").exists(), "who only looks disturbs nobody");
}

#[test]
fn a_hook_that_fails_before_stops_the_backup_and_one_after_warns() {
    let site =
        Site::new("before = [['/bin/false'], ['/usr/bin/touch', '@/never']]\nafter = [['/usr/bin/touch', '@/after']]");
    let (_, err) = site.run(&["backup"], 1);
    assert!(err.contains("the hook /bin/false failed: exit status: 1"), "{err}");
    assert_eq!(std::fs::read_dir(site.file("nightly")).unwrap().count(), 0, "nothing was begun");
    assert!(site.file("after").exists() && !site.file("never").exists());
    assert_eq!(site.json(&["log", "--failed"], 0)["runs"][0]["ended_with"], 1);
    let site = Site::new("after = [['/no/such/program']]");
    let (_, err) = site.run(&["backup"], 3);
    assert!(err.contains("warning: the hook /no/such/program cannot be started"), "{err}");
    assert_eq!(site.json(&["log"], 0)["runs"][0]["state"], "finished", "the backup is whole");
}

#[test]
fn a_configuration_that_is_wrong_is_said_before_anything_is_done() {
    let site = Site::new("");
    for (text, wrong) in
        [("sistem = 'A'\n", "line 1, column 1: unknown field"), ("\u{1b}[2J", "line 1, column "), ("\0\0", "line 1")]
    {
        std::fs::write(site.file("intervault.toml"), text).unwrap();
        let (_, err) = site.run(&["backup"], 2);
        assert!(err.contains("intervault.toml: ") && err.contains(wrong), "{text:?}: {err}");
        assert!(!err.contains('\u{1b}'), "{err}");
        assert!(run(&["--help", "--config", &site.config()], 0).0.contains("Usage"), "help needs no configuration");
        assert_eq!(site.json(&["status"], 2)["schema"], "intervault/error");
    }
    let (_, err) = run(&["status", "--config", "/no/such"], 10);
    assert!(err.contains("cannot read the configuration /no/such"), "{err}");
    run(&["label", "CMS-031024-01-LSAC-00-F-02"], 0);
}

#[test]
fn figures_are_written_where_they_are_wanted() {
    let site = Site::new("");
    site.run(&["backup"], 0);
    let path = site.file("own.prom");
    site.run(&["status", "--metrics", &path.display().to_string()], 0);
    let figures = std::fs::read_to_string(&path).unwrap();
    let value = |name: &str| {
        let start = format!("intervault_backup_{name}{{");
        let line = figures.lines().find(|line| line.starts_with(&start)).unwrap();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(value("age_seconds") < 600.0 && value("size_bytes") > 1_000.0 && value("rows") > 70.0, "{figures}");
    assert_eq!((value("verified"), value("last_ok"), value("volumes")), (1.0, 1.0, 1.0));
    let other = site.file("other.prom");
    site.run(&["backup", "--metrics", &other.display().to_string()], 0);
    assert!(std::fs::read_to_string(&other).unwrap().contains("intervault_backup_last_ok{"));
    let (_, err) = site.run(&["backup", "--metrics", "/no/such/x.prom"], 0);
    assert!(err.contains("warning: cannot write the figures"), "{err}");
    let (_, err) = site.run(&["status", "--metrics", "/no/such/x.prom"], 10);
    assert!(err.contains("cannot write the figures"), "{err}");
}
