/*
 * Join two network namespaces by a pair of TUN devices that behave like a long-distance line.
 *
 *   wan NETNS_A DEVICE_A NETNS_B DEVICE_B SEED LIFETIME_S
 *
 * It prints "ready" once both devices exist. Then each line on standard input is a command, which is
 * answered by one line:
 *
 *   set WAY DELAY_NS JITTER_NS LOSS_PPM REORDER_PPM DUPLICATE_PPM MARKED_PPM RATE_BPS QUEUE_BYTES -> "ok"
 *       (WAY 0 is from A to B, 1 from B to A)
 *   count -> ten numbers, five for each way (see `report`)
 *
 * Sizes are those of whole IP packets; multicast does not pass. A rate of 0 means no limit and no
 * queue. Jitter is drawn for each packet evenly from 0 to JITTER_NS, and no packet overtakes another
 * by it: a packet that would come earlier comes with the one before it. A reordered packet changes
 * places with one of the PLACES before it, unless that one is due more than NEAR_NS earlier; both, and
 * what is between them, then come when the later one was due. A duplicate follows its original.
 * MARKED_PPM is one more chance to be lost, for RTP packets over IPv4 with the marker bit: the last of
 * each video frame. It stands for a censor who harms video only. The program ends when its input ends, so it cannot outlive the laboratory that holds the other end of
 * the pipe, and it ends after LIFETIME_S at the latest. At its end it prints the numbers of `count`
 * once more. (PR_SET_PDEATHSIG would end it too early: when the *thread* that started it ends.)
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000LL
#define SLOTS 65536 /* packets on the line, each way: 0.6 s of 100,000 packets a second */
#define SLOT_BYTES 2000
#define PLACES 12 /* how far back a reordered packet may go */
#define NEAR_NS 5000000LL /* how much earlier the packet it changes places with may be due */
#define BATCH 256 /* packets read before looking for packets that are due; bounds the delay's error */

struct packet {
    int64_t due_ns;
    int size;
    unsigned char bytes[SLOT_BYTES];
};

struct way {
    int from, to;
    int64_t delay_ns, jitter_ns, queue_bytes;
    uint32_t loss_ppm, reorder_ppm, duplicate_ppm, marked_ppm;
    int64_t last_due_ns; /* when the last packet is due: no later one comes earlier */
    double byte_ns; /* time that one byte takes at the bottleneck; 0 if there is no bottleneck */
    double free_ns; /* when the bottleneck will have sent all it holds */
    uint64_t random;
    struct packet *slots;
    unsigned head, tail;
    uint64_t packets, bytes, lost, overflowed, overrun;
};

static struct way ways[2];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND_NS + t.tv_nsec;
}

/* Return the next random number (splitmix64). */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int happens(struct way *way, uint32_t chance_ppm)
{
    return chance_ppm && draw(&way->random) % 1000000 < chance_ppm;
}

static int open_tun(const char *netns, const char *device)
{
    char path[256];
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    snprintf(path, sizeof path, "/run/netns/%s", netns);
    strncpy(request.ifr_name, device, IFNAMSIZ - 1);
    int space = open(path, O_RDONLY | O_CLOEXEC);
    if (space < 0 || setns(space, CLONE_NEWNET))
        die(path);
    close(space);
    int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tun < 0 || ioctl(tun, TUNSETIFF, &request))
        die("/dev/net/tun");
    return tun;
}

static int is_multicast(const unsigned char *packet)
{
    return packet[0] >> 4 == 6 ? packet[24] == 0xff : packet[16] >> 4 == 14;
}

/* Return whether a packet is RTP over UDP over IPv4 with the marker bit (RFC 3550, section 5.1). Where
 * RTCP has its type, 192 to 223, RTP has marker and payload type (RFC 5761, section 4). */
static int is_marked(const unsigned char *packet, int size)
{
    int at = (packet[0] & 15) * 4 + 8;
    if (packet[0] >> 4 != 4 || packet[9] != IPPROTO_UDP || size < at + 2)
        return 0;
    return packet[at] >> 6 == 2 && packet[at + 1] >= 128 && (packet[at + 1] < 192 || packet[at + 1] > 223);
}

/* Let the packet in a slot change places with an earlier one, if one that near is under way. */
static void reorder(struct way *way, unsigned slot)
{
    static struct packet spare;
    unsigned places = 1 + draw(&way->random) % PLACES;
    if (places > (slot + SLOTS - way->head) % SLOTS)
        return;
    struct packet *late = &way->slots[slot], *early = &way->slots[(slot + SLOTS - places) % SLOTS];
    if (late->due_ns - early->due_ns > NEAR_NS)
        return;
    early->due_ns = late->due_ns; /* none comes sooner than without */
    spare = *late;
    *late = *early;
    *early = spare;
}

static void duplicate(struct way *way, unsigned slot)
{
    unsigned next = (way->tail + 1) % SLOTS;
    if (next == way->head)
        return;
    way->slots[way->tail] = way->slots[slot];
    way->tail = next;
}

static void take(struct way *way)
{
    for (int i = 0; i < BATCH; i++) {
        struct packet *packet = &way->slots[way->tail];
        int size = read(way->from, packet->bytes, SLOT_BYTES);
        if (size <= 0)
            return;
        /* The kernels' own packets (RFC 3810 reports) would use up random numbers and be counted. */
        if (is_multicast(packet->bytes))
            continue;
        int64_t now = now_ns(), sent_ns = now;
        if (happens(way, way->loss_ppm) || (is_marked(packet->bytes, size) && happens(way, way->marked_ppm))) {
            way->lost++;
            continue;
        }
        if (way->byte_ns > 0) {
            double start_ns = way->free_ns > now ? way->free_ns : now;
            double held_bytes = (start_ns - now) / way->byte_ns;
            if (held_bytes > 0 && held_bytes + size > way->queue_bytes) {
                way->overflowed++;
                continue;
            }
            way->free_ns = start_ns + size * way->byte_ns;
            sent_ns = way->free_ns;
        }
        unsigned next = (way->tail + 1) % SLOTS;
        if (next == way->head) {
            way->overrun++;
            continue;
        }
        packet->due_ns = sent_ns + way->delay_ns;
        if (way->jitter_ns)
            packet->due_ns += draw(&way->random) % way->jitter_ns;
        if (packet->due_ns < way->last_due_ns)
            packet->due_ns = way->last_due_ns;
        way->last_due_ns = packet->due_ns;
        packet->size = size;
        unsigned slot = way->tail;
        way->tail = next;
        if (happens(way, way->reorder_ppm))
            reorder(way, slot);
        if (happens(way, way->duplicate_ppm))
            duplicate(way, slot);
    }
}

static void deliver(struct way *way)
{
    int64_t now = now_ns();
    while (way->head != way->tail && way->slots[way->head].due_ns <= now) {
        struct packet *packet = &way->slots[way->head];
        if (write(way->to, packet->bytes, packet->size) == packet->size) {
            way->packets++;
            way->bytes += packet->size;
        } else {
            way->overrun++;
        }
        way->head = (way->head + 1) % SLOTS;
    }
    if (way->head == way->tail)
        way->head = way->tail = 0; /* use memory again that is in the processor's cache */
}

/* Print five numbers for each way: packets and bytes delivered, packets lost by chance, packets that
 * found the simulated queue full, and packets that this program itself failed to carry, which makes
 * a measurement void. */
static void report(void)
{
    for (int i = 0; i < 2; i++) {
        struct way *way = &ways[i];
        printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "%c", way->packets,
               way->bytes, way->lost, way->overflowed, way->overrun, i ? '\n' : ' ');
    }
}

static void set(const char *line)
{
    unsigned which;
    int64_t delay_ns, jitter_ns, queue_bytes;
    uint32_t loss_ppm, reorder_ppm, duplicate_ppm, marked_ppm;
    double rate_bps;
    int words = sscanf(line,
                       "set %u %" SCNd64 " %" SCNd64 " %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32
                       " %lf %" SCNd64,
                       &which, &delay_ns, &jitter_ns, &loss_ppm, &reorder_ppm, &duplicate_ppm, &marked_ppm,
                       &rate_bps, &queue_bytes);
    if (words != 9 || which > 1) {
        puts("bad line");
        return;
    }
    struct way *way = &ways[which];
    way->delay_ns = delay_ns;
    way->jitter_ns = jitter_ns;
    way->loss_ppm = loss_ppm;
    way->reorder_ppm = reorder_ppm;
    way->duplicate_ppm = duplicate_ppm;
    way->marked_ppm = marked_ppm;
    way->queue_bytes = queue_bytes;
    double held_bytes = way->byte_ns > 0 ? (way->free_ns - now_ns()) / way->byte_ns : 0;
    way->byte_ns = rate_bps > 0 ? 8e9 / rate_bps : 0;
    way->free_ns = held_bytes > 0 ? now_ns() + held_bytes * way->byte_ns : 0;
    puts("ok");
}

/* Run the commands that have arrived on standard input; return 0 at its end. */
static int obey(void)
{
    static char text[4096];
    static size_t held;
    ssize_t size = read(STDIN_FILENO, text + held, sizeof text - 1 - held);
    if (size <= 0)
        return 0;
    held += size;
    text[held] = 0;
    for (char *end; (end = strchr(text, '\n'));) {
        *end = 0;
        if (!strcmp(text, "count"))
            report();
        else
            set(text);
        held -= end + 1 - text;
        memmove(text, end + 1, held + 1);
    }
    fflush(stdout);
    return held < sizeof text - 1;
}

static int64_t patience_ns(int64_t end_ns)
{
    int64_t now = now_ns(), wait_ns = end_ns - now;
    for (int i = 0; i < 2; i++)
        if (ways[i].head != ways[i].tail && ways[i].slots[ways[i].head].due_ns - now < wait_ns)
            wait_ns = ways[i].slots[ways[i].head].due_ns - now;
    return wait_ns > 0 ? wait_ns : 0;
}

int main(int count, char **words)
{
    if (count != 7) {
        fprintf(stderr, "usage: wan NETNS_A DEVICE_A NETNS_B DEVICE_B SEED LIFETIME_S\n");
        return 2;
    }
    int a = open_tun(words[1], words[2]), b = open_tun(words[3], words[4]);
    uint64_t seed = strtoull(words[5], NULL, 10);
    int64_t end_ns = now_ns() + (int64_t)(atof(words[6]) * SECOND_NS);
    ways[0] = (struct way){.from = a, .to = b};
    ways[1] = (struct way){.from = b, .to = a};
    for (int i = 0; i < 2; i++) {
        ways[i].random = draw(&seed); /* each way has its own sequence */
        ways[i].slots = malloc(SLOTS * sizeof(struct packet));
        if (!ways[i].slots)
            die("malloc");
    }
    /* Run before other programs: a real network does not slow down when its hosts are busy. */
    setpriority(PRIO_PROCESS, 0, -10);
    prctl(PR_SET_TIMERSLACK, 1);
    puts("ready");
    fflush(stdout);

    struct pollfd watched[3] = {{a, POLLIN, 0}, {b, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    for (int held = 1; held && now_ns() < end_ns;) {
        int64_t wait_ns = patience_ns(end_ns);
        struct timespec wait = {wait_ns / SECOND_NS, wait_ns % SECOND_NS};
        if (ppoll(watched, 3, &wait, NULL) > 0) {
            for (int i = 0; i < 2; i++)
                if (watched[i].revents & POLLIN)
                    take(&ways[i]);
            if (watched[2].revents)
                held = obey();
        }
        for (int i = 0; i < 2; i++)
            deliver(&ways[i]);
    }
    report();
    return 0;
}
