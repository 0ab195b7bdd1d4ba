#pragma once

// What `keyway top` shows, apart from how it gets onto a terminal: two snapshots, what the person chose, and
// the lines that come of it.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keyway/observe.hpp"

namespace keyway::tool {

enum class TopView : std::uint8_t { kOverview, kProcesses, kEndpoints, kRegions, kRefusals, kDetail, kHelp };

/// How a line is to stand out.
enum class TopStyle : std::uint8_t { kPlain, kTitle, kSelected, kBad, kDim };

struct TopLine {
    std::string text;
    TopStyle style = TopStyle::kPlain;
};

class TopModel {
  public:
    /// Takes new figures, read at `now_ns`; rates are over the time since those before.
    void take(Snapshot snapshot, std::uint64_t now_ns);

    // What the person chose.
    TopView view = TopView::kOverview;
    std::string filter;  ///< rows whose name has this in it
    std::string typing;  ///< the filter that is being typed
    bool types = false;  ///< it is
    bool paused = false;
    bool reversed = false;
    std::size_t sort = 0;      ///< column, of those that the view sorts by
    std::size_t selected = 0;  ///< row of the list
    std::string note;          ///< for the bottom line, instead of the keys
    /// Who holds capabilities for the endpoint in detail; from the router's list, when the person drills in.
    nlohmann::json holders = nlohmann::json::array();
    std::string detail;  ///< name of the endpoint in detail

    /// Next or previous view of the list views.
    void turn(int by);
    void next_sort();
    void move(int by);
    /// Name of the selected endpoint, or nothing when no endpoint is.
    [[nodiscard]] std::optional<std::string> selected_endpoint() const;

    /// The screen: exactly `height` lines of at most `width` columns; with height 0 as many as there are.
    [[nodiscard]] std::vector<TopLine> screen(std::size_t width, std::size_t height) const;
    /// All figures and rates, for programs.
    [[nodiscard]] nlohmann::json json() const;
    [[nodiscard]] const Snapshot& now() const { return now_; }

  private:
    struct ProcessRow {
        ProcessFigures now;
        double sent_rate = 0;
        double received_rate = 0;
        double refused_rate = 0;
    };
    struct EndpointRow {
        EndpointFigures now;
        double message_rate = 0;
        double byte_rate = 0;
        double call_rate = 0;
    };
    [[nodiscard]] double rate(std::uint64_t now, std::uint64_t before) const;
    [[nodiscard]] std::vector<ProcessRow> processes() const;
    [[nodiscard]] std::vector<EndpointRow> endpoints() const;
    [[nodiscard]] std::vector<RegionFigures> regions() const;
    [[nodiscard]] bool matches(std::string_view name) const;

    void add_head(std::vector<TopLine>& lines) const;
    void add_processes(std::vector<TopLine>& lines, std::size_t most, bool selectable) const;
    void add_endpoints(std::vector<TopLine>& lines, std::size_t most, bool selectable) const;
    void add_regions(std::vector<TopLine>& lines, std::size_t most) const;
    void add_refusals(std::vector<TopLine>& lines, std::size_t most) const;
    void add_detail(std::vector<TopLine>& lines, std::size_t most) const;
    static void add_help(std::vector<TopLine>& lines);
    [[nodiscard]] std::string foot() const;
    /// The first row that is shown, so that the selected one is.
    [[nodiscard]] std::size_t first_shown(std::size_t rows, std::size_t most) const;

    Snapshot now_;
    Snapshot before_;
    double seconds_ = 0;  ///< between the two; 0: there is only one
    std::uint64_t taken_ns_ = 0;
};

/// "950", "12.3k", "1.2M".
[[nodiscard]] std::string short_number(double value);
/// "850ns", "1.5us", "12ms", "3.1s"; "-" for 0.
[[nodiscard]] std::string short_duration(std::uint64_t ns);

}  // namespace keyway::tool
