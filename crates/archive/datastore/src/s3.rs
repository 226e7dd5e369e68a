//! A store in a bucket of an S3-compatible service.
//!
//! An object appears whole when its put (or the last step of a multipart upload) is done, so nothing more
//! is needed for atomicity. Requests that fail for the network's or the server's sake are repeated with growing
//! pauses. Credentials come from the `AWS_*` variables, as with other S3 programs. Parts of uploads
//! that were cut off are invisible; a lifecycle rule of the bucket removes them.
//!
//! Callers are threads, the client is asynchronous: a small runtime inside serves all of them.

use crate::checksum::{Sum, checksum};
use elqui_butler::{Datastore, Listed, StoreError, Stored, Transfer, check_store_path};
use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, ClientOptions, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt,
    PutPayload, RetryConfig, WriteMultipart,
};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::runtime::Runtime;

/// Files larger than this go up in parts of this size.
const PART_BYTES: usize = 16 << 20;
/// Parts of one file that are under way at once.
const PARTS_MAX: usize = 4;
/// How often a body that broke off is read again.
const READS_MAX: usize = 4;

#[derive(Clone)]
pub struct S3Settings {
    pub bucket: String,
    /// Before all paths; may be empty.
    pub prefix: String,
    /// `https://host:port` of a service other than Amazon's; empty for that.
    pub endpoint: String,
    /// Empty for what `AWS_REGION` says.
    pub region: String,
    /// Key and secret; `None` for what `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` say.
    pub credentials: Option<(String, String)>,
    /// How often a request is repeated, and for how long.
    pub retries_max: usize,
    pub retry_s: u64,
    /// How long one request may take.
    pub timeout_s: u64,
}

impl Default for S3Settings {
    fn default() -> Self {
        Self {
            bucket: String::new(),
            prefix: String::new(),
            endpoint: String::new(),
            region: String::new(),
            credentials: None,
            retries_max: 8,
            retry_s: 60,
            timeout_s: 300,
        }
    }
}

pub struct S3Store {
    client: AmazonS3,
    runtime: Runtime,
    prefix: String,
    name: String,
}

impl S3Store {
    /// The bucket must be there; it is asked for at the first use.
    pub fn open(at: &S3Settings) -> Result<Self, StoreError> {
        let prefix = at.prefix.trim_matches('/').to_string();
        let name = format!("s3://{}/{prefix}", at.bucket);
        let open = |why: String| StoreError::Open { store: name.clone(), why };
        if !prefix.is_empty() {
            check_store_path(&prefix)?;
        }
        let options = ClientOptions::new()
            .with_connect_timeout(Duration::from_secs(5))
            .with_timeout(Duration::from_secs(at.timeout_s))
            .with_allow_http(at.endpoint.starts_with("http://"));
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: at.retries_max,
            retry_timeout: Duration::from_secs(at.retry_s),
        };
        // Credentials alone come from the environment, as every S3 program has it.
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&at.bucket)
            .with_client_options(options)
            .with_retry(retry);
        if !at.endpoint.is_empty() {
            builder = builder.with_endpoint(&at.endpoint);
        }
        if !at.region.is_empty() {
            builder = builder.with_region(&at.region);
        }
        if let Some((key, secret)) = &at.credentials {
            builder = builder.with_access_key_id(key).with_secret_access_key(secret);
        }
        let client = builder.build().map_err(|e| open(e.to_string()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|e| open(e.to_string()))?;
        Ok(Self { client, runtime, prefix, name })
    }

    fn key(&self, path: &str) -> Result<Key, StoreError> {
        check_store_path(path)?;
        self.raw_key(path)
    }

    fn raw_key(&self, path: &str) -> Result<Key, StoreError> {
        let full = match self.prefix.as_str() {
            "" => path.to_string(),
            prefix => format!("{prefix}/{path}"),
        };
        Key::parse(full).map_err(|_| StoreError::BadPath {
            path: path.to_string(),
            why: "an object store does not keep it",
        })
    }

    fn fail(&self, what: &'static str, path: &str, e: &Error) -> StoreError {
        let (path, store) = (path.to_string(), self.name.clone());
        let why = chain(e);
        match e {
            Error::NotFound { .. } if !why.contains("NoSuchBucket") => {
                StoreError::Missing { path, store }
            }
            Error::NotFound { .. } => StoreError::Failed {
                what,
                path,
                store,
                why: "there is no such bucket; make it first".into(),
            },
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                let why = "access is denied; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
                StoreError::Failed { what, path, store, why: why.into() }
            }
            Error::Generic { .. } => StoreError::Unreachable { store, why },
            _ => StoreError::Failed { what, path, store, why },
        }
    }

    async fn upload(&self, path: &str, key: &Key, file: &mut File) -> Result<Sum, StoreError> {
        let upload = self.client.put_multipart(key).await;
        let upload = upload.map_err(|e| self.fail("write", path, &e))?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let mut sum = Sum::default();
        let mut block = vec![0; 1 << 20];
        loop {
            let n = match file.read(&mut block) {
                Ok(n) => n,
                Err(e) => {
                    // The parts are invisible in any case.
                    let _ = parts.abort().await;
                    return Err(StoreError::io("read", path, "of local files", &e));
                }
            };
            if n == 0 {
                break;
            }
            if let Err(e) = parts.wait_for_capacity(PARTS_MAX).await {
                let _ = parts.abort().await;
                return Err(self.fail("write", path, &e));
            }
            sum.add(&block[..n]);
            parts.write(&block[..n]);
        }
        parts.finish().await.map_err(|e| self.fail("write", path, &e))?;
        Ok(sum)
    }
}

impl Datastore for S3Store {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn put(&self, path: &str, bytes: &[u8]) -> Result<Stored, StoreError> {
        let key = self.key(path)?;
        let body = PutPayload::from(bytes::Bytes::copy_from_slice(bytes));
        let put = self.runtime.block_on(self.client.put(&key, body));
        put.map_err(|e| self.fail("write", path, &e))?;
        let size_bytes = bytes.len() as u64;
        Ok(Stored { path: path.to_string(), size_bytes, checksum: checksum(bytes) })
    }

    fn put_file(
        &self,
        path: &str,
        from: &Path,
        mode: Transfer,
        _sum: bool,
    ) -> Result<Stored, StoreError> {
        if !matches!(mode, Transfer::Copy | Transfer::Move) {
            let why = "files can only be copied or moved into a bucket";
            return Err(StoreError::Unsupported { store: self.name(), what: "link files", why });
        }
        let local = |what, e: &std::io::Error| {
            StoreError::io(what, &from.display().to_string(), "of local files", e)
        };
        let mut file = File::open(from).map_err(|e| local("read", &e))?;
        let size = file.metadata().map_err(|e| local("read", &e))?.len();
        let stored = if size <= PART_BYTES as u64 {
            let mut bytes = Vec::with_capacity(size as usize);
            file.read_to_end(&mut bytes).map_err(|e| local("read", &e))?;
            self.put(path, &bytes)?
        } else {
            let key = self.key(path)?;
            let sum = self.runtime.block_on(self.upload(path, &key, &mut file))?;
            Stored { path: path.to_string(), size_bytes: sum.size_bytes, checksum: sum.text() }
        };
        if mode == Transfer::Move {
            std::fs::remove_file(from).map_err(|e| local("remove", &e))?;
        }
        Ok(stored)
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        let key = self.key(path)?;
        let mut attempt = 1;
        loop {
            let got = self.runtime.block_on(async { self.client.get(&key).await?.bytes().await });
            match got {
                Ok(bytes) => return Ok(bytes.into()),
                // The answer came, and its body broke off: the client does not repeat that itself.
                Err(Error::Generic { .. }) if attempt < READS_MAX => attempt += 1,
                Err(e) => return Err(self.fail("read", path, &e)),
            }
        }
    }

    fn read_blocks(&self, path: &str, each: &mut dyn FnMut(&[u8])) -> Result<(), StoreError> {
        let key = self.key(path)?;
        let (mut done, mut attempt) = (0, 1);
        loop {
            // Where a body broke off it goes on, instead of all over again.
            let range = (done > 0).then_some(GetRange::Offset(done));
            let options = GetOptions { range, ..GetOptions::default() };
            let read: Result<(), Error> = self.runtime.block_on(async {
                let mut body = self.client.get_opts(&key, options).await?.into_stream();
                while let Some(block) = body.try_next().await? {
                    each(&block);
                    done += block.len() as u64;
                }
                Ok(())
            });
            match read {
                Ok(()) => return Ok(()),
                Err(Error::Generic { .. }) if attempt < READS_MAX => attempt += 1,
                Err(e) => return Err(self.fail("read", path, &e)),
            }
        }
    }

    fn local_path(&self, _path: &str) -> Option<PathBuf> {
        None
    }

    fn size_bytes(&self, path: &str) -> Result<Option<u64>, StoreError> {
        let key = self.key(path)?;
        match self.runtime.block_on(self.client.head(&key)) {
            Ok(about) => Ok(Some(about.size)),
            Err(e) => match self.fail("look at", path, &e) {
                StoreError::Missing { .. } => Ok(None),
                error => Err(error),
            },
        }
    }

    fn delete(&self, path: &str) -> Result<bool, StoreError> {
        // A delete does not tell whether there was anything.
        if self.size_bytes(path)?.is_none() {
            return Ok(false);
        }
        match self.runtime.block_on(self.client.delete(&self.key(path)?)) {
            Ok(()) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(e) => Err(self.fail("remove", path, &e)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        // Object stores list folders: what is in the prefix's folder, and of it what begins so.
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let key = match (self.prefix.is_empty(), folder.is_empty()) {
            (true, true) => None,
            (false, true) => Some(Key::parse(&self.prefix)),
            _ => Some(Ok(self.raw_key(folder)?)),
        };
        let key = key.transpose().map_err(|_| StoreError::BadPath {
            path: prefix.to_string(),
            why: "an object store does not keep it",
        })?;
        let all = self.runtime.block_on(self.client.list(key.as_ref()).try_collect::<Vec<_>>());
        let all = all.map_err(|e| self.fail("list", prefix, &e))?;
        let now = SystemTime::now();
        let mut found = Vec::with_capacity(all.len());
        for about in all {
            let full = about.location.as_ref();
            let path = full.strip_prefix(self.prefix.as_str()).unwrap_or(full);
            let path = path.trim_start_matches('/');
            if path.starts_with(prefix) {
                let at: SystemTime = about.last_modified.into();
                let age_s = now.duration_since(at).map_or(0.0, |a| a.as_secs_f64());
                found.push(Listed { path: path.to_string(), size_bytes: about.size, age_s });
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }
}

/// An error and its causes, in one line, each said once.
fn chain(e: &Error) -> String {
    let mut text = e.to_string();
    let mut next = std::error::Error::source(e);
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
