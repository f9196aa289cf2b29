//! A queued message's octets: as they are kept, and in the form for hosts that take ASCII only.

use std::sync::Arc;

use super::Context;
use crate::base::content::Spool;
use crate::base::limits::{BODY_IN_MEMORY_OCTETS_MAX, CHUNK_OCTETS_MAX};
use crate::base::world::{BoxFuture, Spawner};
use crate::base::{Body, Content, Error, ErrorKind, Result};
use crate::delivery::{BodySource, SevenBit, wire};
use crate::os::aside::aside;
use crate::store::Item;

/// A message in the store.
pub(super) struct QueuedBody<'a> {
    pub(super) context: &'a Context,
    pub(super) item: &'a Item,
}

impl BodySource for QueuedBody<'_> {
    fn piece(&self, offset: u64, octets_max: usize) -> BoxFuture<'_, Option<Vec<u8>>> {
        Box::pin(async move { self.context.store.body(self.item.blob, offset, octets_max).await.ok() })
    }

    fn seven_bit(&self) -> BoxFuture<'_, Option<SevenBit>> {
        Box::pin(async move {
            let form = self.form().await;
            form.unwrap_or_else(|e| {
                log::warn!("queued message {} could not be encoded: {e}", self.item.id.0);
                None
            })
        })
    }
}

impl QueuedBody<'_> {
    /// Encoded anew, and signed anew where it was signed here: what is changed breaks a signature.
    async fn form(&self) -> Result<Option<SevenBit>> {
        let Context { world, store, settings, keyring, .. } = self.context;
        let content = content(self.context, self.item).await?;
        let (content, was_signed) = wire::without_own_signatures(world, content).await?;
        let Ok(mut content) = wire::seven_bit(world, store, content).await? else { return Ok(None) };
        if was_signed && settings.checking.signs {
            let fields = keyring.sign(&*world.run, &content, world.clock.wall()).await?;
            content.prefix = [fields, content.prefix].concat();
        }
        let (size, run) = (content.len(), Arc::clone(&world.run));
        Ok(Some(SevenBit { size, body: Box::new(Encoded { content, run }) }))
    }
}

/// A message that was encoded for one host.
struct Encoded {
    content: Content,
    run: Arc<dyn Spawner>,
}

impl BodySource for Encoded {
    fn piece(&self, offset: u64, octets_max: usize) -> BoxFuture<'_, Option<Vec<u8>>> {
        let content = self.content.clone();
        let inline = matches!(content.body, Body::Memory(_));
        let read = aside(&*self.run, inline, move || {
            let mut piece = vec![0; octets_max.min(CHUNK_OCTETS_MAX)];
            let octets = content.read_at(offset, &mut piece).ok()?;
            piece.truncate(octets);
            Some(piece)
        });
        Box::pin(async move { read.await.ok().flatten() })
    }
}

/// The message, in memory or a scratch file.
pub(super) async fn content(context: &Context, item: &Item) -> Result<Content> {
    let unreadable = || Error::new(ErrorKind::Store, "a queued message could not be read");
    let mut spool = Spool::new(context.world.disk.clone(), context.store.scratch_folder(), item.size);
    while spool.octets() < item.size {
        let piece = context.store.body(item.blob, spool.octets(), CHUNK_OCTETS_MAX).await?;
        if piece.is_empty() {
            return Err(unreadable());
        }
        let inline = spool.octets() + piece.len() as u64 <= BODY_IN_MEMORY_OCTETS_MAX as u64;
        let push = move || {
            let kept = spool.push(&piece).is_ok();
            (spool, kept)
        };
        let (pushed, kept) = aside(&*context.world.run, inline, push).await?;
        spool = pushed;
        if !kept {
            return Err(unreadable());
        }
    }
    Ok(spool.finish())
}
