//! Calls about the listen key of the account stream. They carry the API key and no signature.

use super::endpoint;
use crate::codec::params::Params;
use crate::codec::request::{Call, UnsignedCall};

/// `POST /fapi/v1/listenKey`: gives a key for 60 minutes, the active one if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CreateListenKey;

/// `PUT /fapi/v1/listenKey`: 60 minutes more; -1125 where there is no active key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeepListenKey;

/// `DELETE /fapi/v1/listenKey`: ends the stream of *every* process of the account; not for a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseListenKey;

impl Call for CreateListenKey {
    endpoint!(Post "/fapi/v1/listenKey" Key mutates);

    fn weight(&self) -> u32 {
        1
    }

    fn parameters(&self, _: &mut Params) {}
}

impl Call for KeepListenKey {
    endpoint!(Put "/fapi/v1/listenKey" Key mutates);

    fn weight(&self) -> u32 {
        1
    }

    fn parameters(&self, _: &mut Params) {}
}

impl Call for CloseListenKey {
    endpoint!(Delete "/fapi/v1/listenKey" Key mutates);

    fn weight(&self) -> u32 {
        1
    }

    fn parameters(&self, _: &mut Params) {}
}

impl UnsignedCall for CreateListenKey {}
impl UnsignedCall for KeepListenKey {}
impl UnsignedCall for CloseListenKey {}
