// SPDX-License-Identifier: MIT
#include "base/metrics.h"

#include "base/mutex.h"

namespace shoal::base {
namespace {

/// std::map never moves its nodes, so references into it stay good.
struct Registry {
  Mutex mutex;
  std::map<std::string, Counter> counters GUARDED_BY(mutex);
  std::map<std::string, Gauge> gauges GUARDED_BY(mutex);
};

Registry& registry() {
  static Registry* const instance = new Registry;  // outlives every static that counts
  return *instance;
}

}  // namespace

Counter& counter(const std::string& name) {
  Registry& all = registry();
  MutexLock lock(all.mutex);
  return all.counters[name];
}

Gauge& gauge(const std::string& name) {
  Registry& all = registry();
  MutexLock lock(all.mutex);
  return all.gauges[name];
}

std::map<std::string, std::int64_t> metrics_snapshot() {
  Registry& all = registry();
  std::map<std::string, std::int64_t> snapshot;
  MutexLock lock(all.mutex);
  for (const auto& [name, counter] : all.counters) {
    snapshot[name] = static_cast<std::int64_t>(counter.value());
  }
  for (const auto& [name, gauge] : all.gauges) snapshot[name] = gauge.value();
  return snapshot;
}

}  // namespace shoal::base
