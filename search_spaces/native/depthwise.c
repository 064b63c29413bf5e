/* Depthwise convolution of float32 maps in channels-last order, stride 1, "same" zero padding.
 *
 * PyTorch's CPU kernels are slow where a depthwise convolution is dilated. These loops keep a
 * block of channels in registers and visit only the taps that fall inside the map.
 */
#include <stdint.h>

typedef struct {
    int64_t batch, height, width, channels, kernel, dilation;
} Shape;

/* Eight channels; the alignment says that they may start anywhere. */
typedef float Eight __attribute__((vector_size(32), aligned(4), may_alias));

/* The positions p of a line for which p + offset is on it too: [first, last). */
static int64_t first_inside(int64_t size, int64_t offset)
{
    const int64_t first = offset < 0 ? -offset : 0;
    return first < size ? first : size;
}

static int64_t last_inside(int64_t size, int64_t offset)
{
    const int64_t last = offset > 0 ? size - offset : size;
    return last > 0 ? last : 0;
}

/* For one position: the sum over taps of VECTORS * TYPE channels, starting at channel `begin`. */
#define CORRELATE(NAME, TYPE, VECTORS)                                                           \
    static void NAME(const float *image, const float *weight, float *output, const Shape *s,     \
                     int64_t row, int64_t column, int64_t begin)                                 \
    {                                                                                            \
        const int64_t half = s->kernel / 2;                                                      \
        TYPE sum[VECTORS] = {0};                                                                 \
        for (int64_t i = 0; i < s->kernel; i++) {                                                \
            const int64_t y = row + (i - half) * s->dilation;                                    \
            if (y < 0 || y >= s->height) continue;                                               \
            for (int64_t j = 0; j < s->kernel; j++) {                                            \
                const int64_t x = column + (j - half) * s->dilation;                             \
                if (x < 0 || x >= s->width) continue;                                            \
                const TYPE *in =                                                                 \
                    (const TYPE *)(image + (y * s->width + x) * s->channels + begin);            \
                const TYPE *w =                                                                  \
                    (const TYPE *)(weight + (i * s->kernel + j) * s->channels + begin);          \
                for (int v = 0; v < VECTORS; v++) sum[v] += in[v] * w[v];                        \
            }                                                                                    \
        }                                                                                        \
        TYPE *out = (TYPE *)(output + (row * s->width + column) * s->channels + begin);          \
        for (int v = 0; v < VECTORS; v++) out[v] = sum[v];                                       \
    }

/* For one tap and one line: adds the sum over `count` positions of input * delta. */
#define ACCUMULATE(NAME, TYPE, VECTORS)                                                          \
    static void NAME(const float *input, const float *delta, float *gradient, int64_t count,     \
                     int64_t channels)                                                           \
    {                                                                                            \
        TYPE sum[VECTORS] = {0};                                                                 \
        for (int64_t p = 0; p < count; p++) {                                                    \
            const TYPE *in = (const TYPE *)(input + p * channels);                               \
            const TYPE *d = (const TYPE *)(delta + p * channels);                                \
            for (int v = 0; v < VECTORS; v++) sum[v] += in[v] * d[v];                            \
        }                                                                                        \
        TYPE *g = (TYPE *)gradient;                                                              \
        for (int v = 0; v < VECTORS; v++) g[v] += sum[v];                                        \
    }

CORRELATE(correlate_48, Eight, 6)
CORRELATE(correlate_16, Eight, 2)
CORRELATE(correlate_8, Eight, 1)
CORRELATE(correlate_1, float, 1)
ACCUMULATE(accumulate_48, Eight, 6)
ACCUMULATE(accumulate_16, Eight, 2)
ACCUMULATE(accumulate_8, Eight, 1)
ACCUMULATE(accumulate_1, float, 1)

/* output[n, y, x, c] = sum over taps of input[n, y + dy, x + dx, c] * weight[tap, c]. */
void depthwise_correlate(const float *input, const float *weight, float *output, Shape s)
{
    const int64_t image = s.height * s.width * s.channels;
    for (int64_t n = 0; n < s.batch; n++, input += image, output += image)
        for (int64_t row = 0; row < s.height; row++)
            for (int64_t column = 0; column < s.width; column++) {
                int64_t c = 0;
                for (; c + 48 <= s.channels; c += 48)
                    correlate_48(input, weight, output, &s, row, column, c);
                for (; c + 16 <= s.channels; c += 16)
                    correlate_16(input, weight, output, &s, row, column, c);
                for (; c + 8 <= s.channels; c += 8)
                    correlate_8(input, weight, output, &s, row, column, c);
                for (; c < s.channels; c++)
                    correlate_1(input, weight, output, &s, row, column, c);
            }
}

/* Adds to gradient[tap, c] the sum over positions of input[position + tap, c] * delta[position, c]. */
void depthwise_weight_gradient(const float *input, const float *delta, float *gradient, Shape s)
{
    const int64_t half = s.kernel / 2, image = s.height * s.width * s.channels;
    for (int64_t n = 0; n < s.batch; n++, input += image, delta += image)
        for (int64_t i = 0; i < s.kernel; i++) {
            const int64_t dy = (i - half) * s.dilation;
            const int64_t bottom = last_inside(s.height, dy);
            for (int64_t row = first_inside(s.height, dy); row < bottom; row++)
                for (int64_t j = 0; j < s.kernel; j++) {
                    const int64_t dx = (j - half) * s.dilation;
                    const int64_t left = first_inside(s.width, dx);
                    const int64_t count = last_inside(s.width, dx) - left;
                    if (count <= 0) continue;
                    const float *in = input + ((row + dy) * s.width + left + dx) * s.channels;
                    const float *d = delta + (row * s.width + left) * s.channels;
                    float *g = gradient + (i * s.kernel + j) * s.channels;
                    int64_t c = 0;
                    for (; c + 48 <= s.channels; c += 48)
                        accumulate_48(in + c, d + c, g + c, count, s.channels);
                    for (; c + 16 <= s.channels; c += 16)
                        accumulate_16(in + c, d + c, g + c, count, s.channels);
                    for (; c + 8 <= s.channels; c += 8)
                        accumulate_8(in + c, d + c, g + c, count, s.channels);
                    for (; c < s.channels; c++)
                        accumulate_1(in + c, d + c, g + c, count, s.channels);
                }
        }
}
