// A random life of an engine, step by step.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "engine/local_engine.h"
#include "engine/testing/requests.h"

namespace fathom::engine {

struct Running {
  RequestRecipe recipe;
  std::shared_ptr<RecordingSink> sink;
  RequestId id = 0;
};

/// One engine's life: `requests` arrive at random steps, some are cancelled, memory is dropped now
/// and then.
inline void live(LocalEngine& engine, int64_t vocab_size, VirtualClock& clock, Rng& rng,
                 std::vector<Running>& requests) {
  size_t next = 0;
  int idle = 0;
  const auto unfinished = [&] {
    return next < requests.size() || std::ranges::any_of(requests, [](const Running& request) {
             return request.sink->finishes == 0;
           });
  };
  const uint64_t gap = 1 + rng.below(12);
  while (unfinished()) {
    while (next < requests.size() && rng.below(gap) == 0) {
      Running& request = requests[next++];
      request.id = engine.submit(request.recipe.make(vocab_size), request.sink);
    }
    if (rng.below(60) == 0 && next > 0) engine.cancel(requests[rng.below(next)].id);
    if (rng.below(80) == 0) engine.context_cache().clear_memory();
    const bool computed = engine.step();
    idle = computed ? 0 : idle + 1;
    ASSERT_LT(idle, 1000) << "the engine stopped";
    if (!computed) clock.advance(0.01);
  }
}

}  // namespace fathom::engine
