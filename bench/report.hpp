#pragma once

// The figures of a run, for people (a table) and for programs (JSON).

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "machine.hpp"

namespace keyway::bench {

/// How much is measured.
struct Effort {
    int repetitions = 15;  ///< of each pair of floor and figure, in turns: A B A B ...
    double scale = 1.0;    ///< of the number of operations in a repetition

    [[nodiscard]] int operations(int full) const {
        const int scaled = static_cast<int>(full * scale);
        return scaled > 100 ? scaled : 100;
    }
};

/// What the design asks for. A ratio is to the floor of the same run.
struct Reach {
    std::optional<double> value;
    std::optional<double> ratio;
    bool at_least = false;  ///< more is better
};

/// 0 of none.
[[nodiscard]] double median(std::vector<double> values);

/// One figure: what was measured in each repetition, and the floor measured right before it.
struct Figure {
    std::string name;
    std::string what;
    std::string unit;
    std::string floor_what;
    Reach reach{};
    std::vector<double> values{};
    std::vector<double> floors{};

    void add(double value, double floor) {
        values.push_back(value);
        floors.push_back(floor);
    }
    [[nodiscard]] double value() const;  ///< median over repetitions
    [[nodiscard]] double floor() const;
    [[nodiscard]] double ratio() const { return floor() > 0 ? value() / floor() : 0; }
    /// Least and greatest ratio of one repetition.
    [[nodiscard]] std::pair<double, double> spread() const;
};

class Report {
  public:
    explicit Report(Machine machine) : machine_(std::move(machine)) {}
    void add(Figure figure) { figures_.push_back(std::move(figure)); }
    void note(std::string line) { notes_.push_back(std::move(line)); }

    void print() const;
    /// {"metrics":[{"name","value","unit","floor","ratio","spread"}...],"machine":{...}}
    [[nodiscard]] nlohmann::ordered_json json() const;

  private:
    Machine machine_;
    std::vector<Figure> figures_;
    std::vector<std::string> notes_;
};

}  // namespace keyway::bench
