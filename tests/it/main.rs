//! The integration tests: one binary, a module a subject.

#![cfg(test)]

mod balancer;
mod build;
mod cli;
mod config_cases;
mod config_template;
mod crash_matrix;
mod every_kind;
mod fault_matrix;
mod fuzz_config;
mod fuzz_journal;
mod fuzz_plan;
mod fuzz_properties;
mod generate;
mod kinds;
mod nasty;
mod plan_file;
mod plan_rules;
mod plan_runbook;
mod plan_text;
mod planner_cases;
mod playground;
mod practice;
mod products;
mod properties_hostile;
mod properties_oracle;
mod real;
mod remote_files;
mod remote_local;
mod rest;
mod rooms;
mod sample;
mod scale;
mod scene;
mod schema;
mod secret_store;
mod ssh;
mod ssh_files;
mod store;
mod takeover;
mod trees;
mod world;
