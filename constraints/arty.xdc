# Arty A7, XC7A35T or XC7A100T in CSG324.
set_property CFGBVS VCCO [current_design]
set_property CONFIG_VOLTAGE 3.3 [current_design]
set_property -dict {PACKAGE_PIN E3 IOSTANDARD LVCMOS33} [get_ports clk_i]
create_clock -period 10.000 -name clk [get_ports clk_i]
set_property -dict {PACKAGE_PIN C2 IOSTANDARD LVCMOS33} [get_ports rst_ni]
# The USB chip's TXD comes in, its RXD goes out.
set_property -dict {PACKAGE_PIN A9 IOSTANDARD LVCMOS33} [get_ports serial_i]
set_property -dict {PACKAGE_PIN D10 IOSTANDARD LVCMOS33} [get_ports serial_o]
set_property -dict {PACKAGE_PIN H5 IOSTANDARD LVCMOS33} [get_ports led_o]
# A level for a serial line has no clock at the other end; the button and the LED have none at all.
set_input_delay -clock clk 2.000 [get_ports serial_i]
set_output_delay -clock clk 2.000 [get_ports serial_o]
set_false_path -from [get_ports rst_ni]
set_false_path -to [get_ports led_o]
