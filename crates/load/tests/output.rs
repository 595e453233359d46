//! What `c10k-load` writes beside its summary: CSV, HdrHistogram logs, thresholds.

#![expect(clippy::unwrap_used, reason = "this is all test")]

mod support;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use support::{Server, ok};

fn c10k_load(url: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_c10k-load"));
    command.args([url, "-c", "4", "--warmup", "0s"]).args(args);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn ends_with(output: &Output, status: i32, complaint: &str) {
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    assert!(text(&output.stderr).contains(complaint), "{output:?}");
}

/// The columns of each line after the first, without the step's.
fn table(file: &Path) -> Vec<Vec<f64>> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines = text.lines();
    let names = "step,offered_per_s,start_s,length_s,requests,requests_per_s,p50_ns,p99_ns,max_ns,errors,in_flight";
    assert_eq!(lines.next(), Some(names));
    let number = |cell: &str| if cell.is_empty() { f64::NAN } else { cell.parse().unwrap() };
    lines.map(|line| line.split(',').skip(2).map(number).collect()).collect()
}

#[test]
fn the_csv_has_a_line_for_each_second_and_adds_up() {
    let server = Server::http(|request| (request % 10 != 0).then(|| ok("hello")));
    let folder = tempfile::tempdir().unwrap();
    let (csv, json) = (folder.path().join("out.csv"), folder.path().join("out.json"));
    let args = ["-d", "2.5s", "--csv", csv.to_str().unwrap(), "--json", json.to_str().unwrap()];
    let output = c10k_load(&format!("http://{}/", server.addr), &args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let lines = table(&csv);
    let column = |place: usize| lines.iter().map(|line| line[place]).collect::<Vec<f64>>();
    assert_eq!((column(0), column(1)), (vec![0.0, 1.0, 2.0], vec![1.0, 1.0, 0.5]));
    let sum = |place| column(place).iter().sum::<f64>();
    assert_eq!(Some(sum(2)), json["requests"].as_f64());
    assert_eq!(Some(sum(7)), json["errors_in_window"].as_f64());
    assert!(sum(7) > 0.0);
    for line in &lines {
        assert!((line[3] * line[1] - line[2]).abs() <= line[1], "{line:?}");
        assert!(line[4] > 0.0 && line[4] <= line[5] && line[5] <= line[6], "{line:?}");
        assert!(line[8] <= 4.0, "{line:?}");
    }
}

#[test]
fn a_second_without_an_answer_has_no_latency() {
    let server = Server::start(|mut stream, _| {
        let mut buffer = [0; 4096];
        while std::io::Read::read(&mut stream, &mut buffer).is_ok_and(|read| read > 0) {}
    });
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("out.csv");
    let url = format!("echo://{}", server.addr);
    let output =
        c10k_load(&url, &["-d", "200ms", "--csv", csv.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = std::fs::read_to_string(&csv).unwrap();
    assert_eq!(text.lines().nth(1), Some("1,,0.000,0.200,0,0.0,,,,0,4"));
}

/// Intervals without a tag and with one: start, length and histogram of each.
type Log = Vec<(Option<String>, Duration, Duration, Histogram<u64>)>;

fn read_log(file: &Path) -> Log {
    let bytes = std::fs::read(file).unwrap();
    let text = text(&bytes);
    let heads: Vec<&str> = text.lines().take_while(|line| !line.starts_with('"')).collect();
    assert_eq!(heads[1], "#[Histogram log format version 1.3]");
    assert!(heads[2].starts_with("#[StartTime: ") && heads[3].starts_with("#[BaseTime: "));
    // The crate's reader knows everything but the legend, which other readers skip.
    let legend =
        "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"";
    assert_eq!(text.lines().nth(heads.len()), Some(legend));
    let log: Vec<&str> = text.lines().filter(|line| !line.starts_with('"')).collect();
    let log = format!("{}\n", log.join("\n"));
    let mut read = Vec::new();
    for entry in IntervalLogIterator::new(log.as_bytes()) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            let bytes = STANDARD.decode(interval.encoded_histogram()).unwrap();
            let histogram: Histogram<u64> =
                Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
            let max_ms = f64::from(u32::try_from(histogram.max() / 1_000).unwrap()) / 1e3;
            assert!((interval.max() - max_ms).abs() <= max_ms * 0.002 + 0.001);
            let tag = interval.tag().map(|tag| tag.as_str().to_owned());
            read.push((tag, interval.start_timestamp(), interval.duration(), histogram));
        }
    }
    read
}

#[test]
fn the_hdr_log_holds_every_answer_and_both_origins() {
    let server = Server::echo(64);
    let folder = tempfile::tempdir().unwrap();
    let (hdr, json) = (folder.path().join("out.hdr"), folder.path().join("out.json"));
    let files = ["--hdr", hdr.to_str().unwrap(), "--json", json.to_str().unwrap()];
    let url = format!("echo://{}", server.addr);
    for (pace, tags) in [(&["-d", "1.5s"][..], 1), (&["-d", "1.5s", "-r", "500"], 2)] {
        let output = c10k_load(&url, &[&files, pace].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
        let log = read_log(&hdr);
        assert_eq!(log.len(), 2 * tags, "two seconds");
        for (name, tag) in
            [("latency_ns", None), ("service_time_ns", Some("service-time"))].into_iter().take(tags)
        {
            let ours: Vec<_> = log.iter().filter(|line| line.0.as_deref() == tag).collect();
            assert_eq!(ours[0].1..ours[0].2, Duration::ZERO..Duration::from_secs(1));
            assert_eq!(ours[1].1..ours[1].2, Duration::from_secs(1)..Duration::from_millis(500));
            let mut all = ours[0].3.clone();
            all.add(&ours[1].3).unwrap();
            assert_eq!(Some(all.len()), json["requests"].as_u64());
            assert_eq!(Some(all.value_at_quantile(0.99)), json[name]["p99"].as_u64());
            assert_eq!(Some(all.max()), json[name]["max"].as_u64());
        }
    }
}

#[test]
fn steps_are_told_apart_in_the_csv_and_in_the_hdr_log() {
    let server = Server::echo(64);
    let folder = tempfile::tempdir().unwrap();
    let [csv, hdr, json] = ["csv", "hdr", "json"].map(|name| folder.path().join(name));
    let paths = [&csv, &hdr, &json].map(|path| path.to_str().unwrap());
    let files = ["--csv", paths[0], "--hdr", paths[1], "--json", paths[2]];
    let pace = ["-d", "1.1s", "--rate", "5%,500", "--poisson"];
    let output =
        c10k_load(&format!("echo://{}", server.addr), &[&files[..], &pace].concat()).output();
    assert_eq!(output.as_ref().unwrap().status.code(), Some(0), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let csv = std::fs::read_to_string(&csv).unwrap();
    let log = read_log(&hdr);
    let mut last_start = Duration::ZERO;
    // The ceiling that the share needs comes first.
    for (number, step) in (1..).zip(json.as_array().unwrap()) {
        let ours = |line: &&str| line.starts_with(&format!("{number},"));
        let lines: Vec<Vec<&str>> =
            csv.lines().filter(ours).map(|line| line.split(',').collect()).collect();
        let starts: Vec<&str> = lines.iter().map(|line| line[2]).collect();
        assert_eq!(starts, ["0.000", "1.000"], "of its own window: {csv}");
        let offered = step["rate"].as_f64().map_or(String::new(), |rate| format!("{rate:.1}"));
        assert!(lines.iter().all(|line| line[1] == offered), "{csv}");
        let requests: u64 = lines.iter().map(|line| line[4].parse::<u64>().unwrap()).sum();
        assert_eq!(Some(requests), step["requests"].as_u64());
        for (tag, name) in [("", "latency_ns"), ("-service-time", "service_time_ns")] {
            let tag = format!("step-{number}{tag}");
            let ours: Vec<_> = log.iter().filter(|line| line.0.as_ref() == Some(&tag)).collect();
            if name == "service_time_ns" && number == 1 {
                assert!(ours.is_empty(), "a closed loop has one origin");
                continue;
            }
            assert_eq!(ours.len(), 2, "{tag}");
            assert!(ours[0].1 >= last_start, "one after the other on one clock");
            last_start = ours[0].1;
            let mut all = ours[0].3.clone();
            all.add(&ours[1].3).unwrap();
            assert_eq!(Some(all.len()), step["requests"].as_u64());
            assert_eq!(Some(all.max()), step[name]["max"].as_u64());
        }
    }
    assert_eq!((log.len(), csv.lines().count()), (2 + 4 + 4, 1 + 3 * 2));
}

#[test]
fn files_that_cannot_be_written_are_said_before_anything_is_sent() {
    let server = Server::echo(64);
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("no/folder");
    for option in ["--csv", "--hdr", "--json"] {
        let args = ["-n", "10", option, nowhere.to_str().unwrap()];
        let output = c10k_load(&format!("echo://{}", server.addr), &args).output().unwrap();
        ends_with(&output, 1, "failed to create");
    }
    assert_eq!(server.seen.requests(), 0);
}

#[test]
fn a_file_that_fills_up_is_an_error_after_the_summary() {
    let server = Server::echo(64);
    let args = ["-d", "300ms", "--hdr", "/dev/full"];
    let output = c10k_load(&format!("echo://{}", server.addr), &args).output().unwrap();
    ends_with(&output, 1, "failed to write the intervals; free some space: No space left");
    assert!(text(&output.stdout).contains("latency      p50"), "{output:?}");
}

#[test]
fn a_missed_threshold_is_status_3_and_says_by_how_much() {
    let server = Server::http(|request| (request % 10 != 0).then(|| ok("hello")));
    let url = format!("http://{}/", server.addr);
    let run = |fail_if: &[&str]| {
        let conditions = fail_if.iter().flat_map(|condition| ["--fail-if", condition]);
        let args: Vec<&str> = ["-n", "200"].into_iter().chain(conditions).collect();
        c10k_load(&url, &args).output().unwrap()
    };
    let kept = run(&["p99>1h,errors>90%", "rate<0.001", "served<100%,requests<1"]);
    ends_with(&kept, 0, "");
    assert_eq!(text(&kept.stderr), "");

    let missed = run(&["p50 > 1ns , errors>1%", "served<100%", "requests<1m"]);
    ends_with(&missed, 3, "c10k-load: missed p50>1ns: ");
    ends_with(&missed, 3, "c10k-load: missed errors>1%: 20 of 201 (");
    assert_eq!(text(&missed.stderr).lines().count(), 3, "{missed:?}");
    assert!(text(&missed.stdout).contains("latency      p50"), "the summary comes all the same");

    ends_with(
        &run(&["p99>10"]),
        2,
        "does not compare with a time and its unit; give such as p99>10ms",
    );
    ends_with(&run(&["p99>1ms,,"]), 2, "compares nothing");
}

#[test]
fn missed_thresholds_are_in_the_json() {
    let server = Server::echo(64);
    let args = ["-n", "50", "--json", "-", "--fail-if", "rate>0"];
    let output = c10k_load(&format!("echo://{}", server.addr), &args).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["missed"][0]["threshold"], "rate>0");
    assert!(json["missed"][0]["by"].as_str().unwrap().ends_with("over"));
}

#[test]
fn not_one_right_answer_is_status_1_whatever_the_thresholds() {
    let server = Server::http(|_| None);
    let args = ["-n", "10", "--fail-if", "p99>1s,errors>0"];
    let output = c10k_load(&format!("http://{}/", server.addr), &args).output().unwrap();
    ends_with(&output, 1, "missed p99>1s: nothing was answered");
    ends_with(&output, 1, "missed errors>0: 10, 10 over");
}

#[test]
fn an_interrupt_keeps_what_was_written() {
    let server = Server::echo(64);
    let folder = tempfile::tempdir().unwrap();
    let (csv, hdr) = (folder.path().join("out.csv"), folder.path().join("out.hdr"));
    let args = [
        "-d",
        "10m",
        "--csv",
        csv.to_str().unwrap(),
        "--hdr",
        hdr.to_str().unwrap(),
        "--json",
        "-",
        "--fail-if",
        "rate>0",
    ];
    let child = c10k_load(&format!("echo://{}", server.addr), &args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while std::fs::read_to_string(&csv).unwrap_or_default().lines().count() < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    ends_with(&output, 130, "interrupted");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let requests: f64 = table(&csv).iter().map(|line| line[2]).sum();
    assert_eq!(Some(requests), json["requests"].as_f64());
    let logged: u64 = read_log(&hdr).iter().map(|line| line.3.len()).sum();
    assert_eq!(Some(logged), json["requests"].as_u64());
}

#[test]
fn what_is_asked_and_expected_can_be_said() {
    let server = Server::http(|_| {
        Some(b"HTTP/1.1 404 No\r\nX-Mine: yes\r\nContent-Length: 2\r\n\r\nno".to_vec())
    });
    let url = format!("http://{}/", server.addr);
    let expect = ["-n", "20", "--expect-status", "404", "--expect-header", "x-mine: yes"];
    let post = ["-X", "POST", "-H", "Accept: */*", "--body", "a=b"];
    let output = c10k_load(&url, &[&expect[..], &post].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("status 404, any body, x-mine"), "{output:?}");
    let output = c10k_load(&url, &["-n", "20", "-H", "Content-Length: 3"]).output().unwrap();
    ends_with(&output, 2, "not yours to send");
    let output = c10k_load(&url, &["-n", "20", "-X", "GET /"]).output().unwrap();
    ends_with(&output, 2, "no method");
    let output = c10k_load(&url, &["-n", "20", "--body", "@/no/such/file"]).output().unwrap();
    ends_with(&output, 2, "failed to read");
}
