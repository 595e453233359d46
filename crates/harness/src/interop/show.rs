//! What was found, as a table client x server and as JSON.

use serde_json::{Map, Value, json};

use super::{Claim, Found, Interop, SERVICES};
use crate::battery::Subject;
use crate::summary::table;

/// The columns beside the servers, and what each claims.
const CLAIMS: [(Claim, &str); 3] = [
    (Claim::Refuses, "a server that refuses is one failed fetch among the others"),
    (Claim::EndsEarly, "a server that ends within its answer is one failed fetch among the others"),
    (Claim::Results, "status 0, one result for each URL in their order, and a summary that agrees"),
];

const OF_SERVER: &str = "every URL of that server is answered: by http with its status and length, by echo with its text";

fn columns(subjects: &[Subject]) -> impl Iterator<Item = Claim> {
    let servers = subjects.iter().map(|subject| Claim::Server(subject.model.name.clone()));
    servers.chain(CLAIMS.map(|(claim, _)| claim))
}

fn of<'a>(interop: &'a Interop, client: &str, claim: &Claim) -> impl Iterator<Item = &'a Found> {
    let (client, claim) = (client.to_owned(), claim.clone());
    interop.found.iter().filter(move |found| found.client == client && found.claim == claim)
}

/// A row a client and a column a server, both numbered, since twenty-two names fit no terminal.
pub(super) fn print(subjects: &[Subject], interop: &Interop) {
    let numbers = (1..=subjects.len()).map(|number| number.to_string());
    let head: Vec<String> = ["client".to_owned()]
        .into_iter()
        .chain(numbers)
        .chain(CLAIMS.map(|(claim, _)| claim.name().to_owned()))
        .collect();
    let mut table = table(&head.iter().map(String::as_str).collect::<Vec<_>>());
    for (index, subject) in subjects.iter().enumerate() {
        let client = &subject.model.name;
        let marks = columns(subjects).map(|claim| mark(interop, client, &claim).to_owned());
        table.add_row([format!("{:>2} {client}", index + 1)].into_iter().chain(marks));
    }
    println!("{table}\n\nnumbered columns: {OF_SERVER}");
    for (claim, words) in &CLAIMS {
        println!("{}: {words}", claim.name());
    }
    print_failures(interop);
    for complaint in &interop.complaints {
        println!(
            "FAIL  server {} ({}): {}",
            complaint.server,
            complaint.service.name(),
            complaint.text
        );
    }
    println!(
        "{} claims tried over {} services, {} failed, {} complaints about servers",
        interop.found.len(),
        SERVICES.len(),
        interop.failures().count(),
        interop.complaints.len()
    );
}

fn mark(interop: &Interop, client: &str, claim: &Claim) -> &'static str {
    let found: Vec<&Found> = of(interop, client, claim).collect();
    match found.as_slice() {
        [] => "",
        found if found.iter().any(|found| found.failure.is_some()) => "FAIL",
        _ => "ok",
    }
}

/// What one server does wrong to all clients is said once, and what one client does with all servers too.
fn print_failures(interop: &Interop) {
    let mut groups: Vec<Vec<&Found>> = Vec::new();
    for found in interop.failures() {
        let same = |other: &&Found| {
            (&other.failure, other.service) == (&found.failure, found.service)
                && (other.client == found.client || other.claim == found.claim)
        };
        match groups.iter_mut().find(|group| group.iter().all(same)) {
            Some(group) => group.push(found),
            None => groups.push(vec![found]),
        }
    }
    for group in groups {
        let clients = names(group.iter().map(|found| found.client.as_str()));
        let columns = names(group.iter().map(|found| found.claim.name()));
        let failure = group[0].failure.as_deref().unwrap_or_default();
        println!("FAIL  client {clients} x {columns} ({}): {failure}", group[0].service.name());
    }
}

/// Each name once.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut listed: Vec<&str> = Vec::new();
    for name in names {
        if !listed.contains(&name) {
            listed.push(name);
        }
    }
    listed.join(",")
}

pub(super) fn as_json(subjects: &[Subject], interop: &Interop) -> Value {
    let verdict = |found: &Found| match &found.failure {
        None => json!({ "verdict": "pass" }),
        Some(why) => json!({ "verdict": "fail", "detail": why }),
    };
    let client = |subject: &Subject| {
        let name = &subject.model.name;
        let mut row = Map::from_iter([("client".to_owned(), json!(name))]);
        for service in SERVICES {
            let (mut claims, mut servers) = (Map::new(), Map::new());
            for claim in columns(subjects) {
                let mut found = of(interop, name, &claim).filter(|found| found.service == service);
                if let Some(found) = found.next() {
                    let place = match claim {
                        Claim::Server(_) => &mut servers,
                        _ => &mut claims,
                    };
                    place.insert(claim.name().to_owned(), verdict(found));
                }
            }
            claims.insert("servers".into(), servers.into());
            row.insert(service.name().into(), claims.into());
        }
        Value::from(row)
    };
    let claims = CLAIMS.iter().map(|(claim, words)| (claim.name().to_owned(), json!(words)));
    let claims = [("servers".to_owned(), json!(OF_SERVER))].into_iter().chain(claims);
    let complaints = interop.complaints.iter().map(|complaint| {
        json!({ "server": complaint.server, "service": complaint.service.name(), "complaint": complaint.text })
    });
    json!({
        "claims": claims.collect::<Map<_, _>>(),
        "clients": subjects.iter().map(client).collect::<Vec<_>>(),
        "complaints": complaints.collect::<Vec<_>>(),
    })
}
