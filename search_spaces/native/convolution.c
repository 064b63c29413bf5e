/* Weight gradient of a dense convolution of float32 maps in channels-last order, stride 1, "same"
 * zero padding.
 *
 * PyTorch's CPU kernels are slow here, above all where the convolution is dilated. For each image
 * and tap this is a product of two thin matrices; blocks of it are kept in registers, and taps
 * visit only the positions that fall inside the map.
 */
#include <stdint.h>

typedef struct {
    int64_t batch, height, width, inputs, outputs, rows, columns, row_dilation, column_dilation;
} Sizes;

/* Bytes of the first-level cache to be filled; the smallest common one has 32 KiB. */
enum { CACHE = 24576 };

/* Eight channels; the alignment says that they may start anywhere. */
typedef float Eight __attribute__((vector_size(32), aligned(4), may_alias));

/* Adds to gradient[o, i] the sum over a rectangle of delta[position, o] * input[position, i], for
 * OUTPUTS outputs and VECTORS * TYPE inputs. */
#define PRODUCT(NAME, OUTPUTS, TYPE, VECTORS)                                                    \
    static void NAME(const float *input, const float *delta, float *gradient, int64_t height,    \
                     int64_t width, const Sizes *s)                                              \
    {                                                                                            \
        TYPE sum[OUTPUTS][VECTORS] = {0};                                                        \
        for (int64_t y = 0; y < height; y++) {                                                   \
            const float *in = input + y * s->width * s->inputs;                                  \
            const float *d = delta + y * s->width * s->outputs;                                  \
            for (int64_t x = 0; x < width; x++, in += s->inputs, d += s->outputs)                \
                for (int v = 0; v < VECTORS; v++) {                                              \
                    const TYPE value = ((const TYPE *)in)[v];                                    \
                    for (int o = 0; o < OUTPUTS; o++) sum[o][v] += value * d[o];                 \
                }                                                                                \
        }                                                                                        \
        for (int o = 0; o < OUTPUTS; o++) {                                                      \
            TYPE *g = (TYPE *)(gradient + o * s->inputs);                                        \
            for (int v = 0; v < VECTORS; v++) g[v] += sum[o][v];                                 \
        }                                                                                        \
    }

#define PRODUCTS(OUTPUTS)                                                                        \
    PRODUCT(product_##OUTPUTS##_16, OUTPUTS, Eight, 2)                                           \
    PRODUCT(product_##OUTPUTS##_8, OUTPUTS, Eight, 1)                                            \
    PRODUCT(product_##OUTPUTS##_1, OUTPUTS, float, 1)                                            \
    static void products_##OUTPUTS(const float *input, const float *delta, float *gradient,      \
                                   int64_t height, int64_t width, const Sizes *s)                \
    {                                                                                            \
        int64_t i = 0;                                                                           \
        for (; i + 16 <= s->inputs; i += 16)                                                     \
            product_##OUTPUTS##_16(input + i, delta, gradient + i, height, width, s);            \
        for (; i + 8 <= s->inputs; i += 8)                                                       \
            product_##OUTPUTS##_8(input + i, delta, gradient + i, height, width, s);             \
        for (; i < s->inputs; i++)                                                               \
            product_##OUTPUTS##_1(input + i, delta, gradient + i, height, width, s);             \
    }

PRODUCTS(5)
PRODUCTS(3)
PRODUCTS(1)

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* One tap of one image: the rows of `delta` from `first` to `last`, the latter left out. */
static void add_tap(const float *input, const float *delta, float *gradient, int64_t dy, int64_t dx,
                    int64_t first, int64_t last, const Sizes *s)
{
    const int64_t top = larger(first, -dy), height = smaller(last, s->height - dy) - top;
    const int64_t left = larger(0, -dx), width = smaller(s->width, s->width - dx) - left;
    if (height <= 0 || width <= 0) return;
    input += ((top + dy) * s->width + left + dx) * s->inputs;
    delta += (top * s->width + left) * s->outputs;
    int64_t o = 0;
    for (; o + 5 <= s->outputs; o += 5)
        products_5(input, delta + o, gradient + o * s->inputs, height, width, s);
    for (; o + 3 <= s->outputs; o += 3)
        products_3(input, delta + o, gradient + o * s->inputs, height, width, s);
    for (; o < s->outputs; o++)
        products_1(input, delta + o, gradient + o * s->inputs, height, width, s);
}

/* Adds to gradient[row, column, o, i] the sum over images and positions of
 * delta[position, o] * input[position + tap, i]. */
void convolution_weight_gradient(const float *input, const float *delta, float *gradient, Sizes s)
{
    const int64_t area = s.height * s.width;
    /* As many rows of both maps as the first-level cache holds. */
    const int64_t line = s.width * (s.inputs + s.outputs) * (int64_t)sizeof *input;
    const int64_t band = larger(1, CACHE / line);
    for (int64_t n = 0; n < s.batch; n++, input += area * s.inputs, delta += area * s.outputs)
        for (int64_t first = 0; first < s.height; first += band)
            for (int64_t row = 0; row < s.rows; row++)
                for (int64_t column = 0; column < s.columns; column++)
                    add_tap(input, delta,
                            gradient + (row * s.columns + column) * s.outputs * s.inputs,
                            (row - s.rows / 2) * s.row_dilation,
                            (column - s.columns / 2) * s.column_dilation, first,
                            smaller(s.height, first + band), &s);
}
