/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Linked statically: a program that swtdx cannot reach and has to refuse. */
int main(void)
{
    return 0;
}
