// keyway top: what goes on at a router, live.

#define NCURSES_NOMACROS 1  // functions, so that no name of ours is replaced
#include <curses.h>
#include <fmt/format.h>
#include <unistd.h>

#include <clocale>
#include <csignal>
#include <thread>

#include "tool/session.hpp"
#include "tool/text.hpp"
#include "tool/top_model.hpp"

namespace keyway::tool {

namespace {

using std::chrono::milliseconds;

struct TopOptions {
    std::chrono::nanoseconds interval = std::chrono::seconds(1);
    bool once = false;
    std::string filter;
    std::string sort;
};

/// Connection and counters, opened anew when they have become too small.
class Source {
  public:
    Source(Connection connection, std::uint32_t observer)
        : connection_(std::move(connection)), observer_(observer) {}

    Result<void> open() {
        counters_.reset();
        auto counters = Counters::open(connection_, observer_);
        if (!counters) {
            return counters.error();
        }
        counters_.emplace(std::move(*counters));
        return {};
    }
    /// The next figures. Tells a router that ended from a capability that did.
    Result<Snapshot> read() {
        auto now = counters_->read();
        if (now && now->more) {
            if (auto larger = open(); !larger) {
                return larger.error();
            }
            now = counters_->read();
        }
        if (!now && now.error() == Error{Status::kRevoked}) {
            const auto here = connection_.try_receive();
            if (!here && here.error() != Error{Status::kWouldBlock}) {
                return here.error();
            }
        }
        return now;
    }
    /// Who has capabilities for the endpoint of this name.
    nlohmann::json holders_of(const std::string& name, const Snapshot& now) {
        nlohmann::json holders = nlohmann::json::array();
        const auto list = connection_.list();
        if (!list) {
            return holders;
        }
        const auto all = nlohmann::json::parse(*list, nullptr, false);
        for (const EndpointFigures& endpoint : now.endpoints) {
            if (endpoint.get_name() != name || all.is_discarded()) {
                continue;
            }
            for (const auto& capability : all.at("capabilities")) {
                if (capability.at("kind") == std::string(name_of(endpoint.kind)) &&
                    capability.at("object") == endpoint.id) {
                    holders.push_back(capability);
                }
            }
        }
        return holders;
    }

  private:
    Connection connection_;
    std::uint32_t observer_;
    std::optional<Counters> counters_;
};

void print(const TopModel& model, bool json) {
    if (json) {
        Session::print(model.json());
        return;
    }
    for (const TopLine& line : model.screen(0, 0)) {
        fmt::print("{}\n", line.style == TopStyle::kTitle ? bold(line.text)
                           : line.style == TopStyle::kBad ? bad(line.text)
                                                          : line.text);
    }
    std::fflush(stdout);
}

/// Curses, from here to the end of this object.
class Screen {
  public:
    /// False when the terminal can't be used.
    bool open() {
        std::setlocale(LC_ALL, "");
        screen_ = ::newterm(nullptr, stdout, stdin);
        if (screen_ == nullptr) {
            return false;
        }
        ::cbreak();
        ::noecho();
        ::curs_set(0);
        ::keypad(stdscr, TRUE);
        ::set_escdelay(50);
        if (colours(STDOUT_FILENO) && ::has_colors()) {
            ::start_color();
            ::use_default_colors();
            ::init_pair(1, COLOR_RED, -1);
            red_ = COLOR_PAIR(1);
        }
        return true;
    }
    Screen() = default;
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;
    ~Screen() {
        if (screen_ != nullptr) {
            ::endwin();
            ::delscreen(screen_);
        }
    }

    void draw(const TopModel& model) const {
        const int height = std::max(LINES, 8);
        const auto lines = model.screen(static_cast<std::size_t>(COLS), static_cast<std::size_t>(height));
        ::erase();
        for (int y = 0; y < static_cast<int>(lines.size()) && y < LINES; ++y) {
            const TopLine& line = lines[static_cast<std::size_t>(y)];
            const attr_t style = style_of(line.style);
            ::attron(static_cast<int>(style));
            ::mvaddnstr(y, 0, line.text.c_str(), COLS);
            if (line.style == TopStyle::kSelected) {
                ::mvchgat(y, 0, -1, A_REVERSE, 0, nullptr);
            }
            ::attroff(static_cast<int>(style));
        }
        ::refresh();
    }
    /// The next key, or ERR after so long without one.
    static int key(milliseconds patience) {
        ::timeout(static_cast<int>(patience.count()));
        return ::getch();
    }

  private:
    [[nodiscard]] attr_t style_of(TopStyle style) const {
        switch (style) {
            case TopStyle::kTitle:
                return A_BOLD;
            case TopStyle::kSelected:
                return A_REVERSE;
            case TopStyle::kBad:
                return static_cast<attr_t>(red_ != 0 ? red_ : static_cast<int>(A_BOLD));
            case TopStyle::kDim:
                return A_DIM;
            case TopStyle::kPlain:
                break;
        }
        return A_NORMAL;
    }
    SCREEN* screen_ = nullptr;
    int red_ = 0;
};

void type_filter(TopModel& model, int key) {
    constexpr int kEscape = 27;
    constexpr int kRubOut = 127;
    if (key == '\n' || key == KEY_ENTER) {
        model.filter = model.typing;
        model.types = false;
        model.selected = 0;
    } else if (key == kEscape) {
        model.filter.clear();
        model.types = false;
    } else if (key == KEY_BACKSPACE || key == kRubOut || key == '\b') {
        if (!model.typing.empty()) {
            model.typing.pop_back();
        }
    } else if (key >= ' ' && key < kRubOut && model.typing.size() < limit::kNameBytes) {
        model.typing += static_cast<char>(key);
    }
}

/// False when the person wants to leave.
bool obey(TopModel& model, Source& source, int key) {
    constexpr int kEscape = 27;
    constexpr int kPage = 10;
    if (model.types) {
        type_filter(model, key);
        return true;
    }
    switch (key) {
        case 'q':
            return false;
        case 'h':
        case '?':
            model.view = TopView::kHelp;
            break;
        case kEscape:
            if (model.view == TopView::kDetail || model.view == TopView::kHelp) {
                model.view = TopView::kOverview;
            } else {
                model.filter.clear();
            }
            break;
        case '\t':
            model.turn(1);
            break;
        case KEY_BTAB:
            model.turn(-1);
            break;
        case '1':
        case '2':
        case '3':
        case '4':
        case '5':
            model.view = static_cast<TopView>(key - '1');
            model.selected = 0;
            model.sort = 0;
            break;
        case 's':
            model.next_sort();
            break;
        case 'r':
            model.reversed = !model.reversed;
            break;
        case 'p':
        case ' ':
            model.paused = !model.paused;
            break;
        case '/':
            model.types = true;
            model.typing = model.filter;
            break;
        case KEY_UP:
        case 'k':
            model.move(-1);
            break;
        case KEY_DOWN:
        case 'j':
            model.move(1);
            break;
        case KEY_PPAGE:
            model.move(-kPage);
            break;
        case KEY_NPAGE:
            model.move(kPage);
            break;
        case '\n':
        case KEY_ENTER:
            if (const auto name = model.selected_endpoint()) {
                model.detail = *name;
                model.holders = source.holders_of(*name, model.now());
                model.view = TopView::kDetail;
            }
            break;
        default:
            break;
    }
    return true;
}

Result<void> show_live(Source& source, TopModel& model, std::chrono::nanoseconds interval, bool& usable) {
    Screen screen;
    usable = screen.open();
    if (!usable) {
        return {};
    }
    Deadline next = Deadline::in(interval);
    while (true) {
        screen.draw(model);
        const std::uint64_t now = Deadline::clock_ns();
        const std::uint64_t left = next.ns() > now ? next.ns() - now : 0;
        const int key = Screen::key(milliseconds(left / 1'000'000 + 1));
        if (key != ERR && !obey(model, source, key)) {
            return {};
        }
        if (!next.passed()) {
            continue;
        }
        next = Deadline::in(interval);
        auto figures = source.read();  // also while paused: a router that ends is noticed
        if (!figures) {
            return figures.error();
        }
        if (!model.paused) {
            model.take(std::move(*figures), Deadline::clock_ns());
        }
    }
}

void top(Session& session, const TopOptions& options) {
    if (options.interval < milliseconds(100) || options.interval > std::chrono::hours(1)) {
        return session.fail_usage("--interval takes 100ms to 1h: the router publishes ten times a second");
    }
    auto connection = session.connect();
    if (!connection) {
        return session.fail(connection.error(), "connecting");
    }
    const auto observer = become_observer(*connection);
    if (!observer && observer.error() != Error{Status::kNotAllowed}) {
        return session.fail(observer.error(), "asking to observe");
    }
    if (!observer && (options.once || session.json)) {
        fmt::print(stderr, "keyway: only what is yours is shown: the policy doesn't let you observe\n");
    }
    Source source(std::move(*connection), observer ? observer->id : 0);
    if (auto opened = source.open(); !opened) {
        return session.fail(opened.error(), "asking for counters");
    }
    TopModel model;
    model.filter = options.filter;
    auto first = source.read();
    if (!first) {
        return session.fail(first.error(), "reading counters");
    }
    model.take(std::move(*first), Deadline::clock_ns());
    const bool live = !options.once && !session.json && ::isatty(STDOUT_FILENO) != 0;
    if (live) {
        bool usable = true;
        if (auto done = show_live(source, model, options.interval, usable); !done) {
            return session.fail(done.error(), "reading counters");
        }
        if (!usable) {
            session.fail_system(
                "this terminal can't be used for a live view ($TERM says which it is); --once prints one");
        }
        return;
    }
    while (true) {
        std::this_thread::sleep_for(options.interval);
        auto next = source.read();
        if (!next) {
            return session.fail(next.error(), "reading counters");
        }
        model.take(std::move(*next), Deadline::clock_ns());
        print(model, session.json);
        if (options.once || !session.json) {
            return;
        }
    }
}

}  // namespace

void add_top_command(CLI::App& app, Session& session) {
    CLI::App* command = app.add_subcommand("top", "Show what goes on at the router, live");
    const auto options = std::make_shared<TopOptions>();
    session.add_options(*command, true);
    command->add_flag("--once", options->once, "Print one view and end; what a pipe gets anyway");
    add_duration(*command, "--interval", options->interval,
                 "Between two views, and what rates are taken over [1s]");
    command->add_option("--filter", options->filter, "Only processes and endpoints with this in their name");
    command->callback([&session, options] { top(session, *options); });
    command->footer(
        "Keys: h has them all. Shows everything to those whom the policy lets observe, else what is yours.\n"
        "With --json a line each interval, or one with --once.");
}

}  // namespace keyway::tool
