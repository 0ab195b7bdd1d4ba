#pragma once

namespace sandbox {

/// From here on this process can use the memory and the descriptors that it has, and nothing else of the
/// system: no file, no socket, no process, no signal to others. Can't be undone. False, with errno, when the
/// kernel refuses.
bool lock_down();

}  // namespace sandbox
