//! Trials to write and read back.

use record::trial::{
    Beside, Check, Checks, Client, Counters, Fault, Generator, Kernel, MachineNoise, Pace,
    PerConnection, Server, SetBy, Settings, StoppedBy, Tcp,
};
use record::{ContestantRecord, Flag, Latency, LimitRecord, Machine, Outcome, SCHEMA, Trial};

/// A trial with its key and nothing measured.
pub(crate) fn trial(model: &str, repeat: u32, attempt: u32) -> Trial {
    Trial {
        schema: SCHEMA,
        experiment: "sweep".into(),
        model: model.into(),
        service: "http".into(),
        connections: 100,
        variant: "default".into(),
        repeat,
        attempt,
        ..Trial::default()
    }
}

/// A trial in which every field is there, none at its default.
pub(crate) fn full_trial() -> Trial {
    let latency = Latency { min: 1, mean: 2.5, p50: 2, p90: 3, p99: 4, p999: 5, max: 6 };
    let check = Check { ratio: 0.998, passed: true };
    Trial {
        run: "20250304T050607Z-bench-0a1b2c3".into(),
        order: 7,
        started_at: "2025-03-04T05:06:07.008Z".into(),
        settings: settings(),
        outcome: Outcome::Starved,
        outcome_detail: Some("128 of 10000 connections were served".into()),
        stopped_by: Some(StoppedBy { set_by: SetBy::Model, limit: "its 128 workers".into() }),
        flags: vec![Flag::GeneratorBound, Flag::Noisy],
        pace: Pace { kind: "poisson".into(), rate: Some(1e4) },
        offered_ceiling_percent: Some(50.0),
        duration_s: Some(3.000_1),
        requests: Some(30_001),
        requests_per_s: Some(10_000.1),
        errors: [("reset".to_owned(), 2)].into(),
        censored: Some(1),
        latency_ns: Some(latency),
        service_time_ns: Some(latency),
        histogram: Some("HISTFAAA".into()),
        connections_established: Some(10_000),
        connections_served: Some(128),
        connections_active: Some(10_000),
        connection_requests: Some(PerConnection { min: 1, p50: 2, max: 3 }),
        jain_index: Some(0.0128),
        open_ms: Some(500.5),
        all_greeted_ms: Some(700.5),
        connections_greeted: Some(10_000),
        server: Server {
            cpu_ns_per_request: Some(7_000.7),
            voluntary_switches_per_request: Some(0.5),
            involuntary_switches_per_request: Some(0.01),
            counters: Some(Counters::Perf),
            context_switches_per_request: Some(0.25),
            syscalls_per_request: Some(2.1),
            pss_bytes: Some(1 << 30),
            pss_idle_bytes: Some(1 << 20),
            processes: Some(1),
            threads: Some(129),
            exit: Some("0".into()),
        },
        client: Some(client()),
        beside: Some(beside(latency)),
        fault: Some(fault()),
        kernel: Kernel {
            slab_bytes: Some(-4096),
            kernel_stack_bytes: Some(1),
            page_table_bytes: Some(2),
        },
        generator: Generator {
            cpu_ns_per_request: Some(8_000.8),
            cpu_share: Some(0.95),
            saturated: Some(true),
            achieved_over_offered: Some(0.99),
            late_while_free_ns_p99: Some(50_000),
        },
        tcp: Tcp {
            listen_overflows: Some(1),
            listen_drops: Some(2),
            syn_retransmits: Some(3),
            retransmits: Some(4),
        },
        machine: MachineNoise {
            steal_share: Some(0.02),
            other_cpu_share: Some(0.2),
            probe_ratio: Some(1.04),
            probe_recent_ratio: Some(0.98),
            server_cpu_khz: Some(3_400_000),
            observation_cpu_ns: Some(9),
        },
        checks: Checks {
            little: Some(check),
            rate: Some(check),
            order_of_percentiles: Some(check),
            bytes: Some(check),
        },
        warnings: vec!["tracepoints are not allowed here".into()],
        ..trial("thread-pool", 3, 2)
    }
}

fn client() -> Client {
    Client {
        task: "timer".into(),
        fetched: Some(3),
        failed: Some(1),
        body_bytes: Some(2_048),
        wall_ns: Some(1),
        cpu_ns: Some(2),
        voluntary_switches: Some(3),
        involuntary_switches: Some(4),
        pss_bytes_max: Some(5),
        processes_max: Some(6),
        threads_max: Some(7),
        sleeps_ms: vec![40, 30],
        ends_ns: vec![40_000_001, 30_000_001],
        period_ns: Some(10_000_000),
        ticks_ns: vec![10_000_000, 20_000_000],
    }
}

fn beside(latency: Latency) -> Beside {
    Beside {
        path: "/block/100".into(),
        connections: 3,
        rate: Some(10.5),
        slow: Some("read".into()),
        cut_off: Some(1),
        trickling: Some(2),
        duration_s: Some(1.5),
        requests: Some(15),
        connections_served: Some(3),
        errors: [("timeout".to_owned(), 2)].into(),
        latency_ns: Some(latency),
    }
}

fn fault() -> Fault {
    Fault {
        kind: "descriptors".into(),
        seen: Some("64 of 64 descriptors in use".into()),
        after_ms: Some(1_000.5),
        lasted_ms: Some(500.5),
        limit: Some(64),
        crowd: Some(200),
        shut_out: Some(150),
        witnesses: 6,
        connections_lost: Some(1),
        requests_lost: Some(2),
        next_answer_ns: Some(3),
        full_service_ns: Some(4),
    }
}

fn settings() -> Settings {
    Settings {
        workers: Some(128),
        blocking_threads: Some(64),
        block: Some("offload".into()),
        burn: Some(1_000),
        burn_ns: Some(900),
        active: Some(100),
        size: Some(32),
        path: Some("/bytes/64".into()),
        pipeline: Some(1),
        opening: Some("burst".into()),
        greet: Some(true),
        churn: Some(true),
        processes: Some(2),
        congestion_control: Some("bbr".into()),
        server_cpus: Some("1".into()),
        generator_cpus: Some("0".into()),
        warmup_s: Some(1.0),
        duration_s: Some(3.0),
    }
}

/// A machine in which every field is there, none at its default.
pub(crate) fn full_machine() -> Machine {
    let text = |text: &str| Some(text.to_owned());
    let pair = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
    Machine {
        schema: SCHEMA,
        run: "20250304T050607Z-bench-0a1b2c3".into(),
        started_at: "2025-03-04T05:06:07.008Z".into(),
        host_label: "bench".into(),
        seed: u64::MAX,
        compute_iterations_per_ms: Some(1_100_000.0),
        probe_round_trip_ns: Some(1_900.5),
        profile: "quick".into(),
        argv: vec!["c10k".into(), "run".into()],
        git_revision: text("0a1b2c3"),
        git_dirty: Some(true),
        rustc: text("rustc 1.95.0"),
        build_profile: text("release"),
        crate_versions: pair("tokio", "1.54.0"),
        kernel: text("Linux 6.18"),
        architecture: text("x86_64"),
        os: text("Debian"),
        cpu_model: text("a processor"),
        cpus: Some(2),
        cpus_allowed: text("0-1"),
        smt: text("on"),
        turbo: text("off"),
        steal_share_since_boot: Some(0.01),
        transparent_huge_pages: text("madvise"),
        governor: text("performance"),
        mitigations: pair("spectre_v2", "Mitigation: Retpolines"),
        clock_source: text("tsc"),
        hypervisor: text("KVM"),
        memory_bytes: Some(1 << 34),
        cgroup_version: text("v2"),
        loopback_mtu: Some(65_536),
        server_cpus: text("1"),
        generator_cpus: text("0"),
        sysctls: pair("net.core.somaxconn", "4096"),
        limits: vec![LimitRecord {
            name: "nofile".into(),
            value: "20000".into(),
            caps: "connections stop at 19,900".into(),
            remedy: text("ulimit -n 1048576"),
        }],
        contestants: vec![contestant("thread-pool"), contestant("mio-loop")],
        warnings: vec!["the governor cannot be read".into()],
    }
}

fn contestant(name: &str) -> ContestantRecord {
    ContestantRecord {
        name: name.into(),
        family: "blocking".into(),
        mechanism: "N threads and a queue".into(),
        runtime: Some("mio".into()),
        runtime_version: Some("1.2.0".into()),
        server_lines: Some(60),
        client_lines: Some(40),
        server_source: "//! A page.\n".into(),
        limits: vec!["serves 128 connections at a time".into()],
    }
}
