#include "ring/shared_copy.hpp"

#include "ring_fixture.hpp"

namespace keyway::ring {
namespace {

using Copy = void (*)(std::byte*, const std::byte*, std::size_t);

void copies_every_size_and_alignment_and_not_a_byte_more(Copy sut) {
    constexpr std::size_t kGuard = 16;
    const std::vector<std::byte> source = body_number(1, 4400);
    std::vector<std::byte> target(4400);
    for (std::size_t size = 0; size <= 4128; size += size < 300 || size > 4100 ? 1 : 61) {
        for (const std::size_t to : {0U, 1U, 4U, 8U}) {
            for (const std::size_t from : {0U, 3U, 8U}) {
                std::fill(target.begin(), target.end(), std::byte{0xA5});
                sut(target.data() + kGuard + to, source.data() + from, size);
                ASSERT_EQ(std::memcmp(target.data() + kGuard + to, source.data() + from, size), 0) << size;
                ASSERT_EQ(target[kGuard + to - 1], std::byte{0xA5}) << size;
                ASSERT_EQ(target[kGuard + to + size], std::byte{0xA5}) << size;
            }
        }
    }
}

TEST(SharedCopy, FromSharedCopiesEverySizeAndAlignment) {
    copies_every_size_and_alignment_and_not_a_byte_more(copy_from_shared);
}
TEST(SharedCopy, ToSharedCopiesEverySizeAndAlignment) {
    copies_every_size_and_alignment_and_not_a_byte_more(copy_to_shared);
}
TEST(SharedCopy, SharedToSharedCopiesEverySizeAndAlignment) {
    copies_every_size_and_alignment_and_not_a_byte_more(copy_shared_to_shared);
}

}  // namespace
}  // namespace keyway::ring
