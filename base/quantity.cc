// SPDX-License-Identifier: MIT
#include "base/config.h"
namespace shoal::base {}
