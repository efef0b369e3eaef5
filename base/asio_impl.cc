// SPDX-License-Identifier: MIT
// The compiled part of Asio, once (ASIO_SEPARATE_COMPILATION).
#include <asio/impl/src.hpp>
#include <asio/ssl/impl/src.hpp>
