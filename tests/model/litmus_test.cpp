// The explorer itself: does it find what the memory model allows, and nothing else?
#include <gtest/gtest.h>

#include <array>

#include "explorer.hpp"

namespace keyway::model {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelease = std::memory_order_release;

// Threads as functions over two words x and y; the result of a thread is a decimal digit of the result of the
// whole.
struct Litmus : World {
    using Body = std::uint64_t (*)(Litmus&);
    explicit Litmus(std::vector<Body> given) : bodies(std::move(given)) {
        share(&x, sizeof x, sizeof x, "x");
        share(&y, sizeof y, sizeof y, "y");
    }
    void thread(unsigned index) override { result[index] = bodies[index](*this); }
    void finished() override { note_result(result[0] + 100 * result[1] + 10000 * result[2]); }

    std::uint64_t x = 0;
    std::uint64_t y = 0;
    std::array<std::uint64_t, kMaxThreads> result{};
    std::vector<Body> bodies;
};

Outcome run(const std::vector<Litmus::Body>& bodies, bool merge_states = true) {
    forget_results();
    return explore(static_cast<unsigned>(bodies.size()), [&] { return std::make_unique<Litmus>(bodies); },
                   {.merge_states = merge_states});
}

template <bool kFence0, bool kFence1>
Outcome store_buffering() {
    return run({[](Litmus& l) {
                    atomic_store(&l.x, 1, kRelease);
                    if (kFence0) {
                        seq_cst_fence();
                    }
                    return atomic_load(&l.y, kAcquire);
                },
                [](Litmus& l) {
                    atomic_store(&l.y, 1, kRelease);
                    if (kFence1) {
                        seq_cst_fence();
                    }
                    return atomic_load(&l.x, kAcquire);
                }});
}

TEST(Litmus, StoreBufferingMayMissBothStoresUnlessBothSidesFence) {
    EXPECT_TRUE((store_buffering<false, false>().exhausted));
    EXPECT_TRUE(was_result(0));
    EXPECT_TRUE((store_buffering<true, false>().exhausted));
    EXPECT_TRUE(was_result(0));
    EXPECT_TRUE((store_buffering<false, true>().exhausted));
    EXPECT_TRUE(was_result(0));
    EXPECT_TRUE((store_buffering<true, true>().exhausted));
    EXPECT_FALSE(was_result(0));
    EXPECT_TRUE(was_result(1) && was_result(100) && was_result(101));
}

template <int kStoreOrder, int kLoadOrder>
Outcome message_passing() {
    return run({[](Litmus& l) {
                    atomic_store(&l.x, 1, kRelaxed);
                    atomic_store(&l.y, 1, static_cast<std::memory_order>(kStoreOrder));
                    return std::uint64_t{0};
                },
                [](Litmus& l) {
                    const std::uint64_t flag = atomic_load(&l.y, static_cast<std::memory_order>(kLoadOrder));
                    return 2 * flag + atomic_load(&l.x, kRelaxed);
                }});
}
constexpr int kRlx = static_cast<int>(kRelaxed);
constexpr int kAcq = static_cast<int>(kAcquire);
constexpr int kRel = static_cast<int>(kRelease);

TEST(Litmus, MessagePassingNeedsBothReleaseAndAcquire) {
    message_passing<kRlx, kAcq>();
    EXPECT_TRUE(was_result(200));
    message_passing<kRel, kRlx>();
    EXPECT_TRUE(was_result(200));
    message_passing<kRel, kAcq>();
    EXPECT_FALSE(was_result(200));
    EXPECT_TRUE(was_result(0) && was_result(100) && was_result(300));
}

TEST(Litmus, ALocationNeverRunsBackwardsForAReader) {
    run({[](Litmus& l) {
             atomic_store(&l.x, 1, kRelaxed);
             atomic_store(&l.x, 2, kRelaxed);
             return std::uint64_t{0};
         },
         [](Litmus& l) {
             const std::uint64_t first = atomic_load(&l.x, kRelaxed);
             return 3 * first + atomic_load(&l.x, kRelaxed);
         }});
    for (const std::uint64_t backwards : {3U, 6U, 7U}) {
        EXPECT_FALSE(was_result(100 * backwards));
    }
    for (const std::uint64_t forwards : {0U, 1U, 2U, 4U, 5U, 8U}) {
        EXPECT_TRUE(was_result(100 * forwards));
    }
}

TEST(Litmus, CausalityIsTransitive) {
    run({[](Litmus& l) {
             atomic_store(&l.x, 1, kRelaxed);
             atomic_store(&l.y, 1, kRelease);
             return std::uint64_t{0};
         },
         [](Litmus& l) {
             if (atomic_load(&l.y, kAcquire) == 1) {
                 atomic_store(&l.y, 2, kRelease);
             }
             return std::uint64_t{0};
         },
         [](Litmus& l) {
             const std::uint64_t flag = atomic_load(&l.y, kAcquire);
             return 2 * flag + atomic_load(&l.x, kRelaxed);
         }});
    EXPECT_FALSE(was_result(40000));
    EXPECT_TRUE(was_result(50000) && was_result(30000) && was_result(0) && was_result(10000));
}

TEST(Litmus, AReadModifyWriteTakesTheNewestAndContinuesAReleaseSequence) {
    run({[](Litmus& l) {
             atomic_store(&l.x, 1, kRelaxed);
             atomic_store(&l.y, 1, kRelease);
             return std::uint64_t{0};
         },
         [](Litmus& l) { return atomic_exchange(&l.y, 2, kRelaxed); },
         [](Litmus& l) {
             const std::uint64_t flag = atomic_load(&l.y, kAcquire);
             return 2 * flag + atomic_load(&l.x, kRelaxed);
         }});
    EXPECT_FALSE(was_result(40000 + 100)) << "exchange saw the release, its reader did not";
    EXPECT_TRUE(was_result(50000 + 100));
    EXPECT_TRUE(was_result(40000)) << "an exchange that came first carries nothing";
    run({[](Litmus& l) { return atomic_exchange(&l.x, 1, kRelaxed); },
         [](Litmus& l) { return atomic_exchange(&l.x, 1, kRelaxed); }});
    EXPECT_FALSE(was_result(0)) << "both took the same value";
}

TEST(Litmus, FencesAroundRelaxedAccessesOrderAsReleaseAndAcquireDo) {
    run({[](Litmus& l) {
             atomic_store(&l.x, 1, kRelaxed);
             seq_cst_fence();
             atomic_store(&l.y, 1, kRelaxed);
             return std::uint64_t{0};
         },
         [](Litmus& l) {
             const std::uint64_t flag = atomic_load(&l.y, kRelaxed);
             seq_cst_fence();
             return 2 * flag + atomic_load(&l.x, kRelaxed);
         }});
    EXPECT_FALSE(was_result(200));
    EXPECT_TRUE(was_result(300));
}

TEST(Litmus, TwoReadersMayDisagreeOnTheOrderOfIndependentStores) {
    // Three threads: one of the readers also does one of the stores.
    run({[](Litmus& l) {
             atomic_store(&l.x, 1, kRelease);
             return std::uint64_t{0};
         },
         [](Litmus& l) {
             atomic_store(&l.y, 1, kRelease);
             return atomic_load(&l.x, kAcquire);
         },
         [](Litmus& l) {
             const std::uint64_t first = atomic_load(&l.x, kAcquire);
             return 2 * first + atomic_load(&l.y, kAcquire);
         }});
    EXPECT_TRUE(was_result(20000 + 0)) << "x before y for one, y before x for the other";
}

TEST(Litmus, PlainDataWithoutOrderIsARaceInEitherDirection) {
    const auto writer = [](Litmus& l) {
        write(&l.x, 1);
        atomic_store(&l.y, 1, kRelaxed);
        return std::uint64_t{0};
    };
    EXPECT_NE(
        run({writer, [](Litmus& l) { return atomic_load(&l.y, kRelaxed) == 1 ? read(&l.x) : 0; }}).broken,
        "");
    // A read that comes before the write, but need not.
    EXPECT_NE(run({[](Litmus& l) {
                       const std::uint64_t value = read(&l.x);
                       atomic_store(&l.y, 1, kRelaxed);
                       return value;
                   },
                   [](Litmus& l) {
                       if (atomic_load(&l.y, kAcquire) == 1) {
                           write(&l.x, 1);
                       }
                       return std::uint64_t{0};
                   }})
                  .broken,
              "");
    EXPECT_EQ(run({[](Litmus& l) {
                       const std::uint64_t value = read(&l.x);
                       atomic_store(&l.y, 1, kRelease);
                       return value;
                   },
                   [](Litmus& l) {
                       if (atomic_load(&l.y, kAcquire) == 1) {
                           write(&l.x, 1);
                       }
                       return std::uint64_t{0};
                   }})
                  .broken,
              "");
}

TEST(Litmus, AThreadThatWaitsForWhatNeverComesIsReported) {
    EXPECT_NE(run({[](Litmus& l) {
                  while (atomic_load(&l.x, kRelaxed) == 0) {
                      wait_for_change();
                  }
                  return std::uint64_t{0};
              }}).broken,
              "");
    EXPECT_NE(run({[](Litmus&) {
                  wait_bell(0);
                  return std::uint64_t{0};
              }}).broken,
              "");
    EXPECT_EQ(run({[](Litmus& l) {
                       while (atomic_load(&l.x, kRelaxed) == 0) {
                           wait_for_change();
                       }
                       return std::uint64_t{0};
                   },
                   [](Litmus& l) {
                       atomic_store(&l.x, 1, kRelaxed);
                       return std::uint64_t{0};
                   }})
                  .broken,
              "");
}

TEST(Litmus, ABellCarriesNoOrder) {
    run({[](Litmus& l) {
             atomic_store(&l.x, 1, kRelease);
             ring_bell(0);
             return std::uint64_t{0};
         },
         [](Litmus& l) {
             wait_bell(0);
             return atomic_load(&l.x, kAcquire);
         }});
    EXPECT_TRUE(was_result(0) && was_result(100));
}

TEST(Litmus, MergingEqualStatesLosesNoResult) {
    const std::vector<Litmus::Body> bodies = {[](Litmus& l) {
                                                  atomic_store(&l.x, 1, kRelaxed);
                                                  atomic_store(&l.y, 1, kRelease);
                                                  return atomic_exchange(&l.x, 2, kRelaxed);
                                              },
                                              [](Litmus& l) {
                                                  const std::uint64_t a = atomic_load(&l.y, kRelaxed);
                                                  seq_cst_fence();
                                                  const std::uint64_t b = atomic_load(&l.x, kRelaxed);
                                                  atomic_store(&l.y, 3, kRelaxed);
                                                  return 4 * a + b;
                                              },
                                              [](Litmus& l) {
                                                  atomic_store(&l.x, 3, kRelease);
                                                  seq_cst_fence();
                                                  const std::uint64_t a = atomic_load(&l.y, kAcquire);
                                                  return 4 * a + atomic_load(&l.x, kRelaxed);
                                              }};
    const auto results_of_all = [] {
        std::vector<std::uint64_t> all;
        for (std::uint64_t value = 0; value < 200000; ++value) {
            if (was_result(value)) {
                all.push_back(value);
            }
        }
        return all;
    };
    const Outcome merged = run(bodies, true);
    const std::vector<std::uint64_t> with = results_of_all();
    const Outcome plain = run(bodies, false);
    const std::vector<std::uint64_t> without = results_of_all();
    std::printf("%zu results; merged: %llu executions and %llu cut; unmerged: %llu executions\n", with.size(),
                static_cast<unsigned long long>(merged.executions),
                static_cast<unsigned long long>(merged.cut),
                static_cast<unsigned long long>(plain.executions));
    EXPECT_TRUE(merged.exhausted && plain.exhausted);
    EXPECT_GT(with.size(), 20U);
    EXPECT_EQ(with, without);
    EXPECT_LT(merged.executions, plain.executions);
}

}  // namespace
}  // namespace keyway::model
