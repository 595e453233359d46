//! What the doctor found, for people: a hundred columns, commands on lines of their own so that they can be copied.

use comfy_table::ContentArrangement;
use measure::limits::Limit;

use super::Findings;
use super::answers::Answer;
use crate::need::Processes;
use crate::summary::table;

/// Columns of a page.
const WIDTH: usize = 100;
/// The same, as the table counts them.
const WIDTH_OF_TABLE: u16 = 100;
/// Columns of a limit's name, longest first: `net.ipv4.tcp_congestion_control`.
const NAME_WIDTH: usize = 31;
/// Columns of a limit's value.
const VALUE_WIDTH: usize = 22;

pub(super) fn print(findings: &Findings) {
    for group in findings.limits.chunk_by(|a, b| a.group == b.group) {
        print!("{}", group_text(group));
    }
    println!("\noptional, nothing needs them");
    let mut optional = table(&["name", "here", "what for"]);
    for item in &findings.optional {
        optional.add_row([item.name.as_str(), yes_or_no(item.available), &item.note]);
    }
    println!("{optional}");
    if let Some(answers) = &findings.models {
        print!("{}", answers_text(answers));
    }
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// A group under its name; what lifts a limit stands below it.
fn group_text(limits: &[Limit]) -> String {
    let Some(first) = limits.first() else { return String::new() };
    let mut text = format!("\n{}\n", first.group);
    for limit in limits {
        let values = wrap(&limit.value, VALUE_WIDTH);
        let caps = wrap(&limit.caps, WIDTH - NAME_WIDTH - VALUE_WIDTH - 6);
        for line in 0..values.len().max(caps.len()) {
            let name = if line == 0 { limit.name.as_str() } else { "" };
            let of = |lines: &[String]| lines.get(line).cloned().unwrap_or_default();
            let row = format!("  {name:NAME_WIDTH$}  {:VALUE_WIDTH$}  {}", of(&values), of(&caps));
            text.push_str(row.trim_end());
            text.push('\n');
        }
        if let Some(remedy) = &limit.remedy {
            text.push_str(&lift_text(remedy));
        }
    }
    text
}

/// Each way out on a line of its own, and so each command of a chain.
fn lift_text(remedy: &str) -> String {
    let ways = remedy.replace(", or ", "\nor ").replace("; ", ";\n").replace(" && ", " &&\n");
    let lines: Vec<String> = ways.lines().flat_map(|way| wrap(way, WIDTH - 12)).collect();
    format!("      lift: {}\n", lines.join("\n            "))
}

/// A line for each model; what stops them is said once, with the greatest need.
fn answers_text(answers: &[Answer]) -> String {
    let Some(first) = answers.first() else { return String::new() };
    let mut rows = table(&["model", "can hold them", "first limit"]);
    rows.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH_OF_TABLE);
    for answer in answers {
        let limit = answer.limits.first().map(|hit| hit.limit.clone());
        let declared =
            answer.serves_at_most.map(|most| format!("serves {most} at a time, the others wait"));
        let by_hand = answer.by_hand.filter(|_| answer.in_processes.is_none()).map(how);
        let notes: Vec<String> = [limit, by_hand, declared].into_iter().flatten().collect();
        rows.add_row([answer.model.as_str(), &verdict(answer), &notes.join("; ")]);
    }
    let shares =
        if answers.iter().any(|answer| answer.in_processes.is_some()) { SHARES } else { "" };
    let mut hits: Vec<_> = answers.iter().filter_map(|answer| answer.limits.first()).collect();
    hits.sort_by_key(|hit| (hit.limit.as_str(), std::cmp::Reverse(hit.need)));
    hits.dedup_by_key(|hit| hit.limit.as_str());
    let hits = hits.into_iter().map(|hit| {
        let lines = wrap(&format!("{}: {}", hit.limit, hit.message), WIDTH - 4);
        format!("\n  {}\n{}", lines.join("\n    "), lift_text(&hit.remedy))
    });
    format!("\n{} connections\n{rows}\n{shares}{}", first.connections, hits.collect::<String>())
}

/// Which plans share out.
const SHARES: &str = "
  in processes: as c10k run shares connections out where its plan says many_processes,
    so in --experiments wall; by hand: give serve and c10k-load --processes
";

fn verdict(answer: &Answer) -> String {
    match (answer.can, answer.in_processes, answer.by_hand) {
        (true, ..) => "yes".to_owned(),
        (_, Some(Processes { server: 1, generator }), _) => {
            format!("yes, from {generator} processes")
        }
        (_, Some(processes), _) => format!("yes, in {} processes", processes.server),
        (_, None, Some(_)) => "by hand".to_owned(),
        (_, None, None) => "no".to_owned(),
    }
}

/// What to give both sides by hand, where a run does not do it.
fn how(processes: Processes) -> String {
    let of = |program: &str, count: u64| match count {
        1 => None,
        _ => Some(format!("{program} --processes {count}")),
    };
    let both = [of("serve", processes.server), of("c10k-load", processes.generator)];
    both.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Lines of at most `width` characters, cut between words; a longer word has a line of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let length = |text: &str| text.chars().count();
        let line = lines.last().map_or(0, |line| length(line));
        if line > 0 && line + 1 + length(word) > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use measure::limits::LimitHit;

    fn hit(limit: &str, need: u64) -> LimitHit {
        LimitHit {
            limit: limit.into(),
            have: 7,
            need,
            message: format!("needs {need}, has 7"),
            remedy: format!("lift-{limit} {need}"),
        }
    }

    #[test]
    fn the_limits_of_this_machine_fit_into_a_hundred_columns() {
        for group in measure::limits::read().chunk_by(|a, b| a.group == b.group) {
            for line in group_text(group).lines() {
                let words = line.split_ascii_whitespace().count();
                assert!(line.chars().count() <= WIDTH || words == 1, "{line}");
            }
        }
    }

    #[test]
    fn a_long_value_and_a_long_explanation_stand_side_by_side() {
        let limit = Limit {
            group: "network".into(),
            name: "some.setting".into(),
            value: "one two three four five six".into(),
            caps: "a b c d e f g h i j k l m n o p q r s t u v w x y z".into(),
            remedy: Some("sysctl -w some.setting=1".into()),
        };
        let text = group_text(&[limit]);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[0], "network");
        assert!(lines[1].starts_with("  some.setting  ") && lines[1].contains("one two"));
        assert!(lines[2].trim_start().starts_with("five six ") && lines[2].ends_with(" z"));
        assert_eq!(lines[3], "      lift: sysctl -w some.setting=1");
    }

    #[test]
    fn each_model_has_a_line_and_each_first_limit_one_remedy() {
        let answer = |model: &str, limits: Vec<LimitHit>, in_processes, by_hand| Answer {
            model: model.into(),
            connections: 50,
            can: limits.is_empty(),
            in_processes,
            by_hand,
            limits,
            serves_at_most: None,
        };
        let processes = |server| Some(Processes { server, generator: 1 });
        let text = answers_text(&[
            answer("loop", vec![hit("nofile", 50)], processes(7), processes(3)),
            answer("select", vec![hit("nofile", 50)], None, processes(3)),
            answer("threads", vec![hit("nofile", 90), hit("maps", 9)], None, None),
            answer("tasks", Vec::new(), None, None),
        ]);
        let line = |model: &str| {
            text.lines().find(|line| line.trim_start().starts_with(model)).unwrap().to_owned()
        };
        assert!(line("loop").contains(" yes, in 7 processes ") && text.contains("many_processes"));
        assert!(!line("loop").contains("--processes"), "one number is enough: {text}");
        assert!(
            line("select").contains("by hand") && line("select").contains("serve --processes 3")
        );
        assert!(line("threads").contains(" no ") && line("tasks").contains(" yes "));
        assert!(text.contains("nofile: needs 90") && text.contains("lift: lift-nofile 90"));
        assert!(!text.contains("lift-nofile 50") && !text.contains("lift-maps"), "{text}");
    }
}
