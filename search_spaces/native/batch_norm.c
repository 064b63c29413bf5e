/* Batch normalisation and ReLU in one, of float32 maps in channels-last order, in training mode.
 *
 * A map is `positions` rows of `channels` values. PyTorch runs the two operations one after the
 * other and reads and writes every map more often, which is what they cost.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int64_t positions, channels;
} Rows;

/* So many rows are summed in float before they are added in double. */
enum { BLOCK = 64 };

static void add_block(double *total, float *partial, int64_t values)
{
    for (int64_t i = 0; i < values; i++) total[i] += partial[i];
    memset(partial, 0, values * sizeof *partial);
}

static float slope_of(float scale, float variance, double epsilon)
{
    return (float)(scale / sqrt(variance + epsilon));
}

/* mean[c] and variance[c] (divided by the number of positions) of x, and
 * y = max(0, (x - mean) * scale / sqrt(variance + epsilon) + shift).
 * Returns 0, or 1 if there is no memory.
 */
int batch_norm_relu(const float *x, const float *scale, const float *shift, float *y, float *mean,
                    float *variance, Rows rows, double epsilon)
{
    const int64_t n = rows.positions, channels = rows.channels;
    double *total = calloc(2 * channels, sizeof *total);
    float *partial = calloc(2 * channels, sizeof *partial);
    if (!total || !partial) {
        free(total);
        free(partial);
        return 1;
    }
    /* Distances from the first row: squares of the values lose digits if the mean is large. */
    float *sum = partial, *square = partial + channels;
    for (int64_t p = 0; p < n; p++) {
        const float *in = x + p * channels;
        for (int64_t c = 0; c < channels; c++) {
            const float distance = in[c] - x[c];
            sum[c] += distance;
            square[c] += distance * distance;
        }
        if (p % BLOCK == BLOCK - 1 || p == n - 1) add_block(total, partial, 2 * channels);
    }
    float *slope = partial;
    for (int64_t c = 0; c < channels; c++) {
        const double distance = total[c] / n, spread = total[channels + c] / n - distance * distance;
        mean[c] = (float)(x[c] + distance);
        /* Written so that a NaN stays one. */
        variance[c] = spread < 0 ? 0 : (float)spread;
        slope[c] = slope_of(scale[c], variance[c], epsilon);
    }
    for (int64_t p = 0; p < n; p++) {
        const float *in = x + p * channels;
        float *out = y + p * channels;
        for (int64_t c = 0; c < channels; c++) {
            const float value = (in[c] - mean[c]) * slope[c] + shift[c];
            out[c] = value < 0 ? 0 : value;
        }
    }
    free(total);
    free(partial);
    return 0;
}

/* The gradients of x, scale and shift, given that of y. Returns 0, or 1 if there is no memory. */
int batch_norm_relu_backward(const float *delta, const float *x, const float *scale,
                             const float *shift, const float *mean, const float *variance,
                             float *x_gradient, float *scale_gradient, float *shift_gradient,
                             Rows rows, double epsilon)
{
    const int64_t n = rows.positions, channels = rows.channels;
    double *total = calloc(2 * channels, sizeof *total);
    float *partial = calloc(5 * channels, sizeof *partial);
    if (!total || !partial) {
        free(total);
        free(partial);
        return 1;
    }
    float *sum = partial, *product = partial + channels, *slope = partial + 2 * channels;
    for (int64_t c = 0; c < channels; c++) slope[c] = slope_of(scale[c], variance[c], epsilon);
    for (int64_t p = 0; p < n; p++) {
        const float *d = delta + p * channels, *in = x + p * channels;
        for (int64_t c = 0; c < channels; c++) {
            const float centred = in[c] - mean[c];
            const float passed = centred * slope[c] + shift[c] <= 0 ? 0 : d[c];
            sum[c] += passed;
            product[c] += passed * centred;
        }
        if (p % BLOCK == BLOCK - 1 || p == n - 1) add_block(total, partial, 2 * channels);
    }
    float *constant = partial + 3 * channels, *linear = partial + 4 * channels;
    for (int64_t c = 0; c < channels; c++) {
        const double inverse = 1 / sqrt(variance[c] + epsilon);
        shift_gradient[c] = (float)total[c];
        scale_gradient[c] = (float)(total[channels + c] * inverse);
        constant[c] = (float)(total[c] / n);
        linear[c] = (float)(total[channels + c] * inverse * inverse / n);
    }
    for (int64_t p = 0; p < n; p++) {
        const float *d = delta + p * channels, *in = x + p * channels;
        float *gradient = x_gradient + p * channels;
        for (int64_t c = 0; c < channels; c++) {
            const float centred = in[c] - mean[c];
            const float passed = centred * slope[c] + shift[c] <= 0 ? 0 : d[c];
            gradient[c] = slope[c] * (passed - constant[c] - centred * linear[c]);
        }
    }
    free(total);
    free(partial);
    return 0;
}
