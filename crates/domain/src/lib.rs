//! The domain of Tidemill: its decisions, pure.
//!
//! The domain is plain functions of plain values: which [`pipelines`] rule takes an [`object`], what its [`job`]
//! is and how its state moves, whether it gets a task of its own or a pooled worker ([`routing`]), which places
//! tasks take ([`fleet`]), where its records live and what makes them visible ([`manifest`], [`publish`]), what a
//! stopped task means ([`verdict`]) and what to tell people ([`mail`], [`alerts`], [`text`]).

pub mod alerts;
pub mod audit;
pub mod bad_input;
pub mod breaker;
pub mod cancel;
pub mod claim;
pub mod cost;
pub mod dead_letter;
pub mod deletion;
pub mod deployed;
pub mod destination;
pub mod document;
pub mod drift;
pub mod events;
pub mod exit_code;
pub mod fallbacks;
pub mod fargate;
pub mod fault;
pub mod fleet;
pub mod job;
pub mod mail;
pub mod manifest;
pub mod message;
pub mod metrics;
pub mod notify;
pub mod object;
pub mod pipelines;
pub mod publish;
pub mod record;
pub mod reject_counts;
pub mod replay;
pub mod restart;
pub mod retry;
pub mod routing;
pub mod scaling;
pub mod schedule_runs;
pub mod settings;
pub mod sweep;
mod table;
pub mod text;
pub mod verdict;
pub mod volume;
pub mod watched;
