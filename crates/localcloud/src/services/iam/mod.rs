//! IAM: the template's policies, executed. Every call is asked about here before it is served, and so is all that
//! services do for each other.
//!
//! ```text
//!  a call of a role ─▶ needs: which actions, on what ─┐
//!                                                     ├─▶ decide: explicit deny, else role's or resource's allow
//!  a service acting for a rule, schedule, task … ─────┘        │ allowed: the grants that did it are counted
//!                                                              └ refused: AWS's words, and one line in ours
//! ```
//!
//! Policies come from the template: roles with their inline, managed and trust policies, and the policies of buckets,
//! queues, topics, keys and functions. A queue may be given another by a call. Until [`Iam::load`] has read them nobody is refused anything, so that
//! a service can be used alone. What a statement means is decided by the crate `iam_rs`.
//!
//! `docs`: [how a request is evaluated](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html),
//! [what each operation needs](https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html).

mod account;
mod decision;
mod grant;
mod managed;
mod refused;
mod required_action;
pub(crate) mod resources;
mod who;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
};

use serde_json::Value;
use tokio::sync::Notify;

use self::{account::Account, decision::Answer, who::Asker};
pub use self::{
    account::{Identity, PolicyError},
    grant::{GrantId, GrantUse},
    refused::Refused,
    required_action::RequiredAction,
    who::Who,
};
pub(crate) use self::{
    refused::AccessDenied,
    required_action::{arn, text},
};
use crate::template::Stack;

/// How many questions are remembered with their answers; then all are forgotten. The flow asks few, again and again;
/// only objects and tasks make new ones.
const REMEMBERED: usize = 4096;

/// How many refusals are kept: each is a mistake in the template, and there are not many kinds of them.
const KEPT_REFUSALS: usize = 256;

/// The account's policies. Clones share them.
#[derive(Clone, Default)]
pub struct Iam {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// None until a template's policies are read.
    account: RwLock<Option<Account>>,
    remembered: Mutex<HashMap<Question, Arc<Answer>>>,
    refusals: Mutex<Refusals>,
    /// Woken at each new refusal.
    refused: Notify,
}

#[derive(Default)]
struct Refusals {
    known: BTreeSet<(String, String, String)>,
    list: Vec<Refused>,
}

/// Whether somebody may do something. A session is not part of it: its role is asked about.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Question {
    who: Asker,
    required: RequiredAction,
}

impl Iam {
    /// Reads the policies of all resources of the stack, without the grants named in `without`. From now on they are
    /// enforced.
    ///
    /// # Errors
    /// When a policy is none, or says what the local cloud could not heed.
    pub fn load(&self, stack: &Stack, without: &[GrantId]) -> Result<(), PolicyError> {
        let account = Account::read(stack, without)?;
        *self.inner.account.write().unwrap_or_else(PoisonError::into_inner) = Some(account);
        lock(&self.inner.remembered).clear();
        Ok(())
    }

    /// Gives a resource this policy, by a call, in the place of the one it has; none takes it away.
    ///
    /// # Errors
    /// What cannot be heeded in it.
    pub(crate) fn attach(&self, arn: &str, policy: Option<&Value>) -> Result<(), String> {
        let mut account = self.inner.account.write().unwrap_or_else(PoisonError::into_inner);
        let Some(account) = account.as_mut() else { return Ok(()) };
        account.attach(arn, policy)?;
        lock(&self.inner.remembered).clear();
        Ok(())
    }

    /// Whether `who` may do all of this. The actions are checked in order, up to the first that is refused.
    ///
    /// # Errors
    /// [`Refused`] with who lacks what.
    pub fn authorize(&self, who: &Who, required_actions: &[RequiredAction]) -> Result<(), Refused> {
        let account = self.account();
        let Some(account) = account.as_ref() else { return Ok(()) };
        for required in required_actions {
            self.allow(account, who, required)?;
            for more in account.encryption(required) {
                self.allow(account, who, &more)?;
            }
        }
        Ok(())
    }

    fn allow(&self, account: &Account, who: &Who, required: &RequiredAction) -> Result<(), Refused> {
        let question = Question { who: Asker::from(who), required: required.clone() };
        let known = lock(&self.inner.remembered).get(&question).cloned();
        let answer = known.unwrap_or_else(|| {
            let answer = Arc::new(decision::decide(account, &question.who, required));
            let mut remembered = lock(&self.inner.remembered);
            if remembered.len() >= REMEMBERED {
                remembered.clear();
            }
            remembered.insert(question, answer.clone());
            answer
        });
        match &*answer {
            Answer::Allowed(grants) => {
                grants.iter().for_each(|grant| grant.count());
                Ok(())
            }
            Answer::Refused(why) => {
                let refused = Refused::new(account, who, required, *why);
                self.record(&refused);
                Err(refused)
            }
        }
    }

    /// Logs a refusal and adds it to [`Self::refusals`], the first time it is met.
    fn record(&self, refused: &Refused) {
        let mut refusals = lock(&self.inner.refusals);
        let key = (refused.holder.clone(), refused.action.clone(), refused.place().to_owned());
        if refusals.list.len() >= KEPT_REFUSALS || !refusals.known.insert(key) {
            return;
        }
        refusals.list.push(refused.clone());
        drop(refusals);
        tracing::warn!(action = refused.action, "{}", refused.advice());
        self.inner.refused.notify_waiters();
    }

    /// Records a refusal that no statement of this account decided.
    pub(crate) fn refuse(&self, refused: Refused) -> Refused {
        self.record(&refused);
        refused
    }

    /// Whether policies are enforced: they are, once a template was read.
    #[must_use]
    pub fn enforces(&self) -> bool {
        self.account().is_some()
    }

    /// What was refused so far, each kind once, in order.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refused> {
        lock(&self.inner.refusals).list.clone()
    }

    /// Resolves at the first refusal that `wanted` takes, also when it was met already.
    pub async fn refused(&self, wanted: impl Fn(&Refused) -> bool) -> Refused {
        loop {
            let mut woken = std::pin::pin!(self.inner.refused.notified());
            // Enabled before the look, so that a refusal which comes in between is not missed.
            woken.as_mut().enable();
            if let Some(found) = lock(&self.inner.refusals).list.iter().find(|it| wanted(it)) {
                return found.clone();
            }
            woken.await;
        }
    }

    /// Resolves with the refusal of this number, in the order of [`Self::refusals`], as soon as it is met.
    pub async fn nth_refusal(&self, n: usize) -> Refused {
        loop {
            let mut woken = std::pin::pin!(self.inner.refused.notified());
            woken.as_mut().enable();
            if let Some(found) = lock(&self.inner.refusals).list.get(n) {
                return found.clone();
            }
            woken.await;
        }
    }

    /// Every grant of the account, with how often it was used: it allowed something that was asked for.
    #[must_use]
    pub fn grants(&self) -> Vec<GrantUse> {
        let account = self.account();
        account.as_ref().map(|account| account.grants().map(|it| it.used()).collect()).unwrap_or_default()
    }

    /// Who a function is, by its name.
    pub(crate) fn function(&self, name: &str) -> Option<Identity> {
        self.account().as_ref()?.functions.get(name).cloned()
    }

    fn account(&self) -> RwLockReadGuard<'_, Option<Account>> {
        self.inner.account.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Iam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iam").field("enforces", &self.enforces()).finish_non_exhaustive()
    }
}

/// A panic while the lock was held is already reported, and what it guards stays whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
