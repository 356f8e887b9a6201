//! Real processes that are wrong on purpose, each found out. Builds without debug assertions have none to start.

use crate::audit::{Audit, Finding};
use crate::mutants::found;
use crate::worker::{Fate, Worker};
use crate::world::{Shape, Standing, World};

fn mutant(name: &'static str) -> Fate {
    Fate { mutant: Some(name), ..Fate::default() }
}

fn pump_until(world: &mut World, worker: &mut Worker, wanted: impl Fn(&Audit) -> bool) {
    for _ in 0..4_000 {
        world.pump(worker, None, Standing::Owner);
        if wanted(&world.audit) {
            return;
        }
    }
    panic!("not found: {:?}", world.audit.findings());
}

#[test]
fn mutant_a_worker_that_acks_before_it_is_durable_is_found() {
    let mut world = World::new(Shape::Separate, 37, 10);
    let mut worker = world.start(&mutant("acks-early"));
    pump_until(&mut world, &mut worker, |audit| found(audit, |f| matches!(f, Finding::NoIntent { .. })));
    worker.kill();
    worker.wait();
    world.bury(&worker);
    assert!(found(&world.audit, |f| matches!(f, Finding::Lost { .. })), "{:?}", world.audit.findings());
}

#[test]
fn mutant_a_worker_that_resends_blindly_after_a_restart_is_found() {
    let mut world = World::new(Shape::Separate, 41, 10);
    // How much of a life fits into so many lines depends on how busy the machine is.
    for _ in 0..90 {
        let mut worker = world.start(&mutant("resends-blindly"));
        let lines = 15 + world.draw(30);
        world.run(&mut worker, lines);
        worker.kill();
        worker.wait();
        world.bury(&worker);
        if found(&world.audit, |f| matches!(f, Finding::PlacedTwice { .. })) {
            return;
        }
    }
    panic!("not found: {:?}", world.audit.findings());
}

#[test]
fn mutant_a_worker_that_ignores_its_successor_is_found() {
    // A life may be over before its successor is there: how soon depends on how busy the machine is.
    for seed in 43..53 {
        let mut world = World::new(Shape::Separate, seed, 10);
        let mut old = world.start(&mutant("ignores-successor"));
        pump_until(&mut world, &mut old, |audit| audit.promised() > 3);
        let mut new = world.start(&Fate::default());
        for beat in 0..4_000 {
            world.pump(&mut old, Some(&mut new), Standing::Owner);
            world.pump(&mut new, Some(&mut old), Standing::Owner);
            if beat % 20 == 0 {
                world.wander();
            }
            if found(&world.audit, |f| matches!(f, Finding::NoIntent { .. })) {
                return;
            }
        }
        println!("seed {seed}: not found: {:?}", world.audit.findings());
    }
    panic!("not found in ten lives");
}
