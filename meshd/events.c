/* SPDX-License-Identifier: MIT */
#include "meshd/events.h"

#include "meshd/io/logger.h"

static enum logger_level member_level(enum member_state to)
{
        return to == MEMBER_SILENT || to == MEMBER_GONE ? LOGGER_WARNING : LOGGER_INFO;
}

static void log_about(enum logger_level level, const char *name, const struct core_event *event)
{
        const char *peer = event->name && event->name[0] ? event->name : NULL;

        /* A line has at least one field; a text that is empty or missing is left out. */
        logger_cause(level, name, L_TEXT("peer", peer),
                        L_TEXT("msg", event->text[0] ? event->text : NULL));
}

static void log_expired(const struct core_event *event)
{
        logger(LOGGER_WARNING, "intent.expired", L_TEXT("peer", event->name),
                        L_BYTES("region", event->op->region), L_UINT("position", event->number),
                        L_TEXT("msg", "a write did not end before its deadline"));
}

static void log_patience(const struct core_event *event)
{
        logger(LOGGER_WARNING, "peer.gone_ms", L_TEXT("peer", event->name),
                        L_UINT("gone_ms", event->number),
                        L_TEXT("msg", "its --gone-ms differs: set it equal on all nodes; until "
                                      "then waits count with the smaller one"));
}

static void log_widened(const struct core_event *event)
{
        logger(LOGGER_WARNING, "hold.widened", L_BYTES("region", event->region),
                        L_TEXT("msg", "so much of it is held that nothing of it is cached until "
                                      "its hold_ms is over"));
}

static void log_member(const struct core_event *event)
{
        logger(member_level(event->to), "peer.state", L_TEXT("peer", event->name),
                        L_ID("id", &event->id), L_TEXT("from", core_member_state_text(event->from)),
                        L_TEXT("to", core_member_state_text(event->to)),
                        L_TEXT("msg", event->text));
}

void events_log(const struct core_event *event)
{
        switch (event->kind) {
        case CORE_EVENT_STATE:
                logger(LOGGER_INFO, "state.changed",
                                L_TEXT("msg", event->text[0] ? event->text : "live"));
                return;
        case CORE_EVENT_MEMBER:
                log_member(event);
                return;
        case CORE_EVENT_FORGOT:
                log_about(LOGGER_INFO, "cache.forgotten", event);
                return;
        case CORE_EVENT_GAP:
                log_about(LOGGER_INFO, "stream.gap", event);
                return;
        case CORE_EVENT_RESET_SENT:
                log_about(LOGGER_WARNING, "stream.reset", event);
                return;
        case CORE_EVENT_LAPSED:
                log_about(LOGGER_WARNING, "peer.lapsed", event);
                return;
        case CORE_EVENT_REFUSED:
                log_about(LOGGER_ERROR, "mesh.refused", event);
                return;
        case CORE_EVENT_REFUSING:
                log_about(LOGGER_WARNING, "peer.refused", event);
                return;
        case CORE_EVENT_AWAY:
                log_about(LOGGER_WARNING, "meshd.away", event);
                return;
        case CORE_EVENT_INCARNATION:
                logger(LOGGER_INFO, "state.incarnation", L_UINT("incarnation", event->number));
                return;
        case CORE_EVENT_MET:
                logger(LOGGER_INFO, "peer.met", L_TEXT("peer", event->name), L_ID("id", &event->id),
                                L_ENDPOINT("address", &event->endpoint));
                return;
        case CORE_EVENT_LINK_FAILED:
                logger(LOGGER_DEBUG, "peer.unreachable", L_ENDPOINT("address", &event->endpoint));
                return;
        case CORE_EVENT_EXPIRED:
                log_expired(event);
                return;
        case CORE_EVENT_PATIENCE:
                log_patience(event);
                return;
        case CORE_EVENT_WIDENED:
                log_widened(event);
                return;
        case CORE_EVENT_RELIED: /* stored by the sink, no news for people */
        case CORE_EVENT_REGION:
                return; /* told by service_region_differs(), which knows the region's name */
        case CORE_EVENT_SELF:
                logger(LOGGER_INFO, "peer.self", L_ENDPOINT("address", &event->endpoint),
                                L_TEXT("msg", "this address leads back to this node"));
                return;
        }
}
